/** Messages: text with `{names}`, in as many plural forms as the language has. */

/** A message with plural forms is chosen by its value `n`. */
export type Message = string | (Partial<Record<Intl.LDMLPluralRule, string>> & { other: string });
export type Values = Record<string, string | number>;

/** Fills in a message; numbers are written as the locale writes them. */
export function fill(message: Message, values: Values, locale: string): string {
  const text =
    typeof message === 'string'
      ? message
      : (message[new Intl.PluralRules(locale).select(Number(values['n'] ?? 0))] ?? message.other);
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(locale).format(value) : isolated(value);
  });
}

/** Letters and marks that run from right to left, or say in which direction what follows runs. */
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** A name that runs the other way, or pretends to, must not turn the sentence around it. Both languages here run from left to right. */
function isolated(value: string): string {
  // Without the isolates of its own it can't end ours.
  return TURNS.test(value) ? `\u2068${value.replace(/[\u2066-\u2069]/g, '')}\u2069` : value;
}
