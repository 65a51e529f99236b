/** Signing in by OpenID Connect: authorization code with PKCE, as a public client. Loaded only when somebody signs in, renews or signs out. */
import * as oauth from 'oauth4webapi';
import { keepHere, realmOf, recallHere, type Session, type SignInConfig, SignInFault } from './session';

/** What is remembered while the person is at the provider. */
interface Begun {
  state: string;
  nonce: string;
  verifier: string;
  back: string;
  booking?: string;
}

const NAME = 'myevents.sign-in';
const PATIENCE = 15_000;
/** Withdrawing a token is a courtesy: nobody waits long for it. */
const COURTESY = 3_000;

const redirectUri = (): string => `${window.location.origin}/sign-in`;

/** Plain `http` is for trying it on one machine. */
function local({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && (hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname));
}

function transport({ issuer }: SignInConfig, patience = PATIENCE): { signal: () => AbortSignal; [oauth.allowInsecureRequests]: boolean } {
  return { signal: () => AbortSignal.timeout(patience), [oauth.allowInsecureRequests]: local(new URL(issuer)) };
}

let known: { issuer: string; server: oauth.AuthorizationServer } | undefined;

async function provider(config: SignInConfig): Promise<oauth.AuthorizationServer> {
  if (known?.issuer === config.issuer) return known.server;
  const issuer = new URL(config.issuer);
  const response = await oauth.discoveryRequest(issuer, { ...transport(config), algorithm: 'oidc' });
  if (response.status >= 500) throw new SignInFault('away');
  const server = await oauth.processDiscoveryResponse(issuer, response);
  known = { issuer: config.issuer, server };
  return server;
}

/** An address of the provider's that the browser is sent to: a page, never a program. */
function page(address: string | undefined, config: SignInConfig): URL {
  const url = new URL(address ?? '');
  if (url.protocol !== 'https:' && !(local(url) && local(new URL(config.issuer)))) throw new SignInFault('broken', url.protocol);
  return url;
}

/** Any error as one that can be told. */
function told(error: unknown, back?: string): SignInFault {
  if (error instanceof SignInFault) return new SignInFault(error.kind, error.said, error.back ?? back);
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    const said = [error.error_description, `(${error.error})`].filter(Boolean).join(' ');
    return new SignInFault(error.error === 'access_denied' ? 'denied' : 'refused', said, back);
  }
  if (error instanceof oauth.OperationProcessingError) return new SignInFault('broken', error.message, back);
  // `fetch` throws a TypeError when nobody answers, and so do addresses that are none.
  return new SignInFault('away', undefined, back);
}

/** Only addresses of this page: the answer must not lead anywhere else. */
const ownPath = (path: string): string => (/^\/(?![/\\])/.test(path) ? path : '/');

/** Sends the browser to the provider. */
export async function begin(config: SignInConfig, { back, booking }: { back: string; booking?: string }): Promise<void> {
  try {
    const server = await provider(config);
    const address = page(server.authorization_endpoint, config);
    const begun: Begun = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
      back: ownPath(back),
      booking,
    };
    const asked = {
      client_id: config.clientId,
      response_type: 'code',
      redirect_uri: redirectUri(),
      scope: config.scopes.join(' '),
      state: begun.state,
      nonce: begun.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(begun.verifier),
      code_challenge_method: 'S256',
      ...(config.audience && { audience: config.audience }),
      ...(config.resource && { resource: config.resource }),
    };
    for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
    keepHere(NAME, begun);
    window.location.assign(address);
  } catch (error) {
    throw told(error);
  }
}

/** Takes the provider's answer. Whatever does not belong to what was begun in this tab is refused, and changes nothing. */
export async function finish(config: SignInConfig, answer: URLSearchParams): Promise<{ session: Session; back: string; booking?: string }> {
  const begun = recallHere<Begun>(NAME);
  if (!begun || answer.get('state') !== begun.state) throw new SignInFault('foreign');
  keepHere(NAME, undefined);
  try {
    const server = await provider(config);
    const client = { client_id: config.clientId };
    const checked = oauth.validateAuthResponse(server, client, answer, begun.state);
    const response = await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), checked, redirectUri(), begun.verifier, {
      ...transport(config),
      additionalParameters: config.resource ? { resource: config.resource } : {},
    });
    if (response.status >= 500) throw new SignInFault('away');
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: begun.nonce, requireIdToken: true });
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    if (!claims) throw new SignInFault('broken');
    const text = (name: string): string | undefined => (typeof claims[name] === 'string' ? claims[name] : undefined);
    const session = {
      realm: realmOf(config),
      person: await personOf(claims),
      name: text('name') ?? text('preferred_username') ?? text('email') ?? '',
      ...taken(tokens, config.scopes),
    };
    return { session, back: begun.back, booking: begun.booking };
  } catch (error) {
    throw told(error, begun.back);
  }
}

async function personOf({ iss, sub }: { iss: string; sub: string }): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify([iss, sub])));
  return Array.from(new Uint8Array(digest).slice(0, 12), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function taken(tokens: oauth.TokenEndpointResponse, before: string[], refreshToken?: string): Pick<Session, 'accessToken' | 'expires' | 'refreshToken' | 'scopes'> {
  if (tokens.token_type !== 'bearer') throw new SignInFault('broken', tokens.token_type);
  return {
    accessToken: tokens.access_token,
    expires: tokens.expires_in === undefined ? undefined : Date.now() + tokens.expires_in * 1_000,
    refreshToken: tokens.refresh_token ?? refreshToken,
    // A provider that says nothing has given what was asked for.
    scopes: tokens.scope?.split(' ') ?? before,
  };
}

/** A new token for the same person. */
export async function renew(config: SignInConfig, session: Session): Promise<Session> {
  try {
    const server = await provider(config);
    const client = { client_id: config.clientId };
    const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), session.refreshToken ?? '', {
      ...transport(config),
      additionalParameters: config.resource ? { resource: config.resource } : {},
    });
    if (response.status >= 500 || response.status === 429) throw new SignInFault('away');
    const tokens = await oauth.processRefreshTokenResponse(server, client, response);
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    if (claims && (await personOf(claims)) !== session.person) throw new SignInFault('broken');
    return { ...session, ...taken(tokens, session.scopes, session.refreshToken) };
  } catch (error) {
    throw told(error);
  }
}

/**
 * Signs out at the provider. The ID token that could go along is not kept and not put into an address: the provider knows the
 * person by their own session, and may ask them.
 */
export async function end(config: SignInConfig, session: Session): Promise<void> {
  const server = await provider(config);
  if (session.refreshToken && server.revocation_endpoint) {
    const client = { client_id: config.clientId };
    const asked = oauth.revocationRequest(server, client, oauth.None(), session.refreshToken, transport(config, COURTESY));
    await asked.catch(() => undefined);
  }
  if (!server.end_session_endpoint) throw new SignInFault('half');
  const address = page(server.end_session_endpoint, config);
  address.searchParams.set('client_id', config.clientId);
  address.searchParams.set('post_logout_redirect_uri', `${window.location.origin}/`);
  window.location.assign(address);
}
