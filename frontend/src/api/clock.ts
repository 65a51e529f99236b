/** The services' time, as their answers tell it: a browser whose clock is wrong must not guess whether sales have ended. */

let offset = 0;

/** Takes note of an answer's `Date`. */
export function learnTime(header: string | null, sent: number, received: number): void {
  const theirs = header ? Date.parse(header) : NaN;
  if (Number.isNaN(theirs)) return;
  // The header has whole seconds: half a second is right on average.
  const difference = theirs + 500 - (sent + received) / 2;
  offset = Math.abs(difference) < 3_000 ? 0 : difference;
}

/** Now, in Unix seconds. */
export function nowSeconds(): number {
  return Math.floor((Date.now() + offset) / 1_000);
}
