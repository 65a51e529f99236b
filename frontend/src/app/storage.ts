/** What this browser keeps. Each record is an item of its own, so that two tabs never write over each other's. */

const PREFIX = 'myevents.';
/** Stands in where the browser keeps nothing for us (private windows, full disks): better until the tab closes than not at all. */
const memory = new Map<string, string>();
const listeners = new Set<() => void>();

function backing(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

function write(name: string, text: string): boolean {
  try {
    const store = backing();
    store?.setItem(PREFIX + name, text);
    return store !== undefined;
  } catch {
    return false;
  }
}

/** Tells whether it lasts longer than this tab. */
export function keep(name: string, value: unknown): boolean {
  const text = JSON.stringify(value);
  const lasts = write(name, text);
  if (lasts) memory.delete(name);
  else memory.set(name, text);
  changed();
  return lasts;
}

/** Whether a record of the usual size would last. */
export function lasting(): boolean {
  if (memory.size > 0 || !write('probe', ' '.repeat(1_000))) return false;
  backing()?.removeItem(`${PREFIX}probe`);
  return true;
}

export function forget(name: string): void {
  memory.delete(name);
  try {
    backing()?.removeItem(PREFIX + name);
  } catch {
    // Nothing was kept, so nothing has to go.
  }
  changed();
}

export function recall<T>(name: string): T | undefined {
  let text = memory.get(name);
  try {
    text ??= backing()?.getItem(PREFIX + name) ?? undefined;
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

/** All records whose name starts so. */
export function recallAll<T>(start: string): T[] {
  const names = new Set(memory.keys());
  const store = backing();
  for (let index = 0; store && index < store.length; index += 1) {
    const key = store.key(index);
    if (key?.startsWith(PREFIX)) names.add(key.slice(PREFIX.length));
  }
  return [...names]
    .filter((name) => name.startsWith(start))
    .map((name) => recall<T>(name))
    .filter((record) => record !== undefined);
}

function changed(): void {
  for (const listener of listeners) listener();
}

/** Calls back after every change, in other tabs too. */
export function onChange(listener: () => void): () => void {
  const other = (event: StorageEvent) => {
    if (event.key === null || event.key.startsWith(PREFIX)) listener();
  };
  listeners.add(listener);
  window.addEventListener('storage', other);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('storage', other);
  };
}
