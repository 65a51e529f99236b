/** Light or dark, as the system has it or as the person chose; and the brand's colour in it. */
import { palette } from '../ui/colour';
import { keep, recall } from './storage';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const dark = window.matchMedia?.('(prefers-color-scheme: dark)');
let brand = '#0f6b6b';

export function chosenTheme(): Theme {
  const kept = recall<string>('theme');
  return THEMES.find((theme) => theme === kept) ?? 'auto';
}

function apply(): void {
  const chosen = chosenTheme();
  const scheme = chosen === 'auto' ? (dark?.matches ? 'dark' : 'light') : chosen;
  const root = document.documentElement;
  root.dataset['bsTheme'] = scheme;
  const colours = palette(brand, scheme);
  root.style.setProperty('--brand', colours.solid);
  root.style.setProperty('--brand-pressed', colours.pressed);
  root.style.setProperty('--on-brand', colours.onSolid);
  root.style.setProperty('--brand-ink', colours.ink);
}

export function chooseTheme(theme: Theme): void {
  keep('theme', theme);
  apply();
}

export function startTheme(colour?: string): void {
  if (colour) brand = colour;
  apply();
  dark?.addEventListener?.('change', apply);
}
