/** The original page kept its views behind `#`: `/#/events/{id}/book`. */
export function oldAddress(hash: string): string | undefined {
  const match = /^#\/events\/([^/?]+)\/book\/?$/.exec(hash);
  return match?.[1] ? `/e/${match[1]}` : hash === '#/' ? '/' : undefined;
}
