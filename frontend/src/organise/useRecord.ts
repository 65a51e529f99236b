/** Saving a record from a form: tried until the outcome is known, never over somebody else's change. */
import { useEffect, useRef, useState } from 'react';
import { type ApiError, asApiError } from '../api/problem';
import { newIdentity } from '../bookings/pending';
import { verdict } from '../bookings/settle';
import { keepHere, onLeaving, recallHere } from '../sign-in/session';
import { keepFocus } from '../ui/focus';
import { merge, type Merged } from './merge';

export interface Stored<Rec> {
  record: Rec;
  etag: string;
}

export interface Kind<Rec, Draft> {
  toDraft: (record: Rec) => Draft;
  toBody: (draft: Draft, before?: Rec) => Rec;
  fetch: (id: string) => Promise<Stored<Rec>>;
  create: (body: Rec, key: string) => Promise<Stored<Rec>>;
  put: (id: string, body: Rec, etag: string) => Promise<Stored<Rec>>;
}

export interface Conflict<Rec, Draft> extends Merged<Draft> {
  theirs: Stored<Rec>;
  theirDraft: Draft;
  /** What the person had, to go back to. */
  mine: Draft;
}

/** A form that is left for signing in. */
interface Draught<Rec, Draft> {
  base: { stored?: Stored<Rec>; draft: Draft };
  draft: Draft;
  asked: { key: string; content: string };
}

export type Saving = 'idle' | 'saving' | 'waiting';

interface Options<Rec, Draft> {
  kind: Kind<Rec, Draft>;
  id?: string;
  /** What is stored; nothing for a new record. */
  stored?: Stored<Rec>;
  first: Draft;
  done: (stored: Stored<Rec>) => void;
}

export function useRecord<Rec, Draft extends object>({ kind, id, stored, first, done }: Options<Rec, Draft>) {
  // What was typed before somebody had to sign in anew, with what it was made from: another's change in between is still told.
  const [place] = useState(() => `myevents.draft ${window.location.pathname}${window.location.search}`);
  const [kept] = useState(() => recallHere<Draught<Rec, Draft>>(place));
  const [base, setBase] = useState(kept?.base ?? { stored, draft: first });
  const [draft, setDraft] = useState(kept?.draft ?? first);
  const [saving, setSaving] = useState<Saving>('idle');
  const [error, setError] = useState<ApiError>();
  const [conflict, setConflict] = useState<Conflict<Rec, Draft>>();
  /** Why it is not known yet how the saving ended. */
  const [why, setWhy] = useState<ApiError>();
  /** What makes all tries of one content the same request. */
  const asked = useRef(kept?.asked ?? { key: '', content: '' });
  const here = useRef(true);
  const stopped = useRef(false);
  const wake = useRef<() => void>(undefined);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);

  useEffect(() => keepHere(place, undefined), [place]);
  useEffect(() => onLeaving(() => keepHere(place, { base, draft, asked: asked.current })), [place, base, draft]);

  /** Sends it again while nobody says how it ended; under the same key or version that is done once. */
  async function untilKnown<T>(send: () => Promise<T>): Promise<T> {
    for (let turn = 0; ; turn += 1) {
      try {
        return await send();
      } catch (thrown) {
        const wrong = asApiError(thrown);
        if (['refused', 'signIn'].includes(verdict(wrong)) || !here.current || stopped.current) throw wrong;
        setSaving('waiting');
        setWhy(wrong);
        await new Promise<void>((resolve) => {
          wake.current = resolve;
          setTimeout(resolve, Math.min(500 * 2 ** turn, 10_000));
        });
        if (stopped.current) throw wrong;
      }
    }
  }

  function finish(saved: Stored<Rec>): void {
    const next = kind.toDraft(saved.record);
    setBase({ stored: saved, draft: next });
    setDraft(next);
    setConflict(undefined);
    done(saved);
  }

  async function compare(): Promise<void> {
    const theirs = await untilKnown(() => kind.fetch(id ?? ''));
    const theirDraft = kind.toDraft(theirs.record);
    const merged = merge(base.draft, theirDraft, draft);
    // What is stored is what was to be saved: it was our own try whose answer had been lost.
    if (!merged.changed && merged.taken.length === 0) {
      finish(theirs);
      return;
    }
    setConflict({ ...merged, theirs, theirDraft, mine: draft });
    setDraft(merged.draft);
    setBase({ stored: theirs, draft: theirDraft });
  }

  async function save(): Promise<void> {
    if (saving !== 'idle') return;
    setSaving('saving');
    setError(undefined);
    stopped.current = false;
    try {
      const body = kind.toBody(draft, base.stored?.record);
      if (!id) {
        const content = JSON.stringify(body);
        // Another content is another request; the same one again, after stopping, is the one before.
        if (asked.current.content !== content) asked.current = { key: newIdentity().key, content };
        const { key } = asked.current;
        finish(await untilKnown(() => kind.create(body, key)));
        asked.current = { key: '', content: '' };
      } else {
        finish(await untilKnown(() => kind.put(id, body, base.stored?.etag ?? '')));
      }
    } catch (thrown) {
      const wrong = asApiError(thrown);
      // What was refused is over.
      if (verdict(wrong) === 'refused') asked.current = { key: '', content: '' };
      if (wrong.status === 412) await compare().catch((again: unknown) => setError(asApiError(again)));
      else setError(wrong);
    } finally {
      if (here.current) setSaving('idle');
      // The button that stopped it is gone.
      if (stopped.current) keepFocus();
    }
  }

  /** Tries no more. What was sent already may have been done all the same. */
  function stop(): void {
    stopped.current = true;
    wake.current?.();
  }

  /** Forgets the person's changes and shows what is stored. */
  function discard(): void {
    setDraft(base.draft);
    setConflict(undefined);
    setError(undefined);
  }

  const changed = JSON.stringify(draft) !== JSON.stringify(base.draft);
  /** Whether the latest try may have been done although it ended with an error. */
  const unknown = error !== undefined && verdict(error) === 'lost';
  return { draft, setDraft, saving, why, error, unknown, conflict, changed, save, stop, discard, base };
}
