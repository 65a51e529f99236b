/** Turns `left` and `right` of Bootstrap's styles into start and end, so that one style sheet serves both reading directions. */

import type { Plugin } from 'postcss';

const NAMES: Record<string, string> = {
  'margin-left': 'margin-inline-start',
  'margin-right': 'margin-inline-end',
  'padding-left': 'padding-inline-start',
  'padding-right': 'padding-inline-end',
  'border-left': 'border-inline-start',
  'border-right': 'border-inline-end',
  'border-left-width': 'border-inline-start-width',
  'border-right-width': 'border-inline-end-width',
  'border-top-left-radius': 'border-start-start-radius',
  'border-top-right-radius': 'border-start-end-radius',
  'border-bottom-left-radius': 'border-end-start-radius',
  'border-bottom-right-radius': 'border-end-end-radius',
};
const ALIGNED: Record<string, string> = { left: 'start', right: 'end' };

export function logical(): Plugin {
  return {
    postcssPlugin: 'logical',
    Declaration(declaration) {
      const name = NAMES[declaration.prop];
      if (name) declaration.prop = name;
      if (declaration.prop === 'text-align') declaration.value = ALIGNED[declaration.value] ?? declaration.value;
    },
  };
}
