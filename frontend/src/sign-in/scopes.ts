/** What a token allows, as far as the page goes by it. The services decide; this only spares people buttons that would be refused. */

export type Scope = 'events:write' | 'bookings:write' | 'bookings:admin';

/** Some providers put the name of the interface before a scope: `api://…/events:write`. */
const bare = (scope: string): string => scope.slice(scope.lastIndexOf('/') + 1);

/** An admin's scope has the other one in it. */
export function granted(scopes: readonly string[], wanted: Scope): boolean {
  const admin = wanted.replace(/:.*/, ':admin');
  return scopes.map(bare).some((scope) => scope === wanted || scope === admin);
}
