/** A certified identity provider, started by the tests: people sign in through its own forms, and the services fetch its keys. */
import { createServer } from 'node:http';
import { Provider as Oidc } from 'oidc-provider';
import { freePort } from './program.mjs';

export const AUDIENCE = 'https://tickets.example/api';

export class Provider {
  static async start(origin) {
    const provider = new Provider();
    provider.port = await freePort();
    provider.issuer = `http://127.0.0.1:${provider.port}`;
    /** Whether tokens can be renewed. */
    provider.renewals = true;
    /** What was asked of it: method and path. */
    provider.asked = [];
    // It tells on the console what a real one must not be like.
    const { warn, info } = console;
    console.warn = console.info = () => undefined;
    provider.oidc = new Oidc(provider.issuer, {
      clients: [
        {
          client_id: 'page',
          token_endpoint_auth_method: 'none',
          redirect_uris: [`${origin}/sign-in`],
          post_logout_redirect_uris: [`${origin}/`],
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
        },
      ],
      claims: { openid: ['sub'], profile: ['name'] },
      conformIdTokenClaims: false,
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `${id} of Examples` }) }),
      issueRefreshToken: () => provider.renewals,
      cookies: { keys: ['of a test'] },
      features: {
        revocation: { enabled: true },
        resourceIndicators: {
          enabled: true,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            audience: AUDIENCE,
            scope: 'events:write events:admin bookings:write bookings:admin',
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
    });
    Object.assign(console, { warn, info });
    await provider.up();
    return provider;
  }

  async up() {
    const answer = this.oidc.callback();
    this.server = createServer((request, response) => {
      this.asked.push({ method: request.method, path: request.url.split('?')[0], authorization: request.headers.authorization });
      answer(request, response);
    });
    await new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
  }

  /** Nobody answers any more; what it knows stays. */
  async down() {
    this.server.closeAllConnections();
    await new Promise((resolve) => {
      this.server.close(resolve);
      this.server.closeAllConnections();
    });
  }

  /** How often a token was asked for. */
  get exchanges() {
    return this.asked.filter(({ method, path }) => method === 'POST' && path === '/token').length;
  }

  get settings() {
    return {
      MYEVENTS_AUTH: 'jwt',
      MYEVENTS_AUTH_ISSUER: this.issuer,
      MYEVENTS_AUTH_AUDIENCE: AUDIENCE,
      MYEVENTS_PAGE_CLIENT_ID: 'page',
      MYEVENTS_PAGE_RESOURCE: AUDIENCE,
      MYEVENTS_PAGE_SCOPES: 'openid,profile,bookings:write,events:write',
    };
  }
}

/** Fills in the provider's form, and agrees to what it asks. */
export async function passForms(page, name) {
  await page.locator('input[name=login]').fill(name);
  await page.locator('input[name=password]').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}
