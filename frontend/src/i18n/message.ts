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
    return typeof value === 'number' ? new Intl.NumberFormat(locale).format(value) : value;
  });
}
