/** Puts two people's changes of one record together, field by field. */

export interface Merged<Draft> {
  /** Their version with my changes on top; where both changed a field, mine. */
  draft: Draft;
  /** Fields that only they changed. */
  taken: (keyof Draft)[];
  /** Fields that both changed, and differently. */
  torn: (keyof Draft)[];
  /** Whether I have changed anything at all that is not stored already. */
  changed: boolean;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export function merge<Draft extends object>(base: Draft, theirs: Draft, mine: Draft): Merged<Draft> {
  const draft = { ...theirs };
  const taken: (keyof Draft)[] = [];
  const torn: (keyof Draft)[] = [];
  let changed = false;
  for (const name of Object.keys(base) as (keyof Draft)[]) {
    const touched = !same(base[name], mine[name]);
    const moved = !same(base[name], theirs[name]);
    if (same(theirs[name], mine[name])) continue;
    if (touched) {
      draft[name] = mine[name];
      changed = true;
      if (moved) torn.push(name);
    } else if (moved) {
      taken.push(name);
    }
  }
  return { draft, taken, torn, changed };
}
