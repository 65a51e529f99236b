/** Makes one brand colour readable everywhere (WCAG AA: 4.5 to 1), on light and dark ground. */

type Rgb = [number, number, number];

function parse(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function write(rgb: Rgb): string {
  return `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;
}

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: string, b: string): number {
  const [first, second] = [luminance(parse(a)), luminance(parse(b))];
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
}

function mixed(from: string, to: string, share: number): string {
  const [a, b] = [parse(from), parse(to)];
  return write(a.map((part, index) => part + ((b[index] ?? 0) - part) * share) as Rgb);
}

/** `colour`, moved towards black or white until it stands out against each ground. */
export function readableOn(colour: string, grounds: string[], wanted = 4.5): string {
  const towards = grounds.every((ground) => luminance(parse(ground)) < 0.18) ? '#ffffff' : '#000000';
  for (let step = 0; step <= 20; step += 1) {
    const tried = mixed(colour, towards, step / 20);
    if (grounds.every((ground) => contrast(tried, ground) >= wanted)) return tried;
  }
  return towards;
}

export interface Palette {
  /** Ground of buttons. */
  solid: string;
  /** Ground of buttons under the pointer. */
  pressed: string;
  /** Text on such a ground. */
  onSolid: string;
  /** Links and marks on the page's ground. */
  ink: string;
}

/** Grounds that text and links stand on; the same as in the style sheet. */
const GROUNDS = { light: ['#ffffff', '#f7f6f3', '#efede8'], dark: ['#121417', '#1b1e22', '#262a2f'] };

export function palette(brand: string, scheme: 'light' | 'dark'): Palette {
  const ink = readableOn(brand, GROUNDS[scheme]);
  // Dark text on a bright brand, light text on a dark one: whichever can be read better.
  const onSolid = contrast(brand, '#ffffff') >= 4.5 ? '#ffffff' : contrast(brand, '#111111') >= 4.5 ? '#111111' : '#ffffff';
  const solid = readableOn(brand, [onSolid]);
  const pressed = mixed(solid, onSolid === '#ffffff' ? '#000000' : '#ffffff', 0.18);
  return { solid, pressed, onSolid, ink };
}
