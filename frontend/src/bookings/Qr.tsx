/** A QR code, drawn as one path. */
import { encode } from 'uqr';

export function Qr({ text, label }: { text: string; label: string }) {
  // Level M survives a scratched screen and a cheap printer; the quiet zone around is part of the standard.
  const { data, size } = encode(text, { ecc: 'M', border: 4 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('');
  return (
    <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={size} height={size} className="qr-ground" />
      <path d={path} className="qr-ink" />
    </svg>
  );
}
