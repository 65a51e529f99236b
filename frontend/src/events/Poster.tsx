/** A picture for each event, drawn from its id: the same event always looks the same, and no picture has to be loaded. */
import { useMemo } from 'react';

/** Small and steady: the same text gives the same numbers in every browser. */
function numbers(seed: string): () => number {
  let state = 2_166_136_261;
  for (const letter of seed) state = Math.imul(state ^ letter.charCodeAt(0), 16_777_619);
  return () => {
    state = Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9;
    state ^= state >>> 13;
    return (state >>> 0) / 4_294_967_296;
  };
}

type Shape = { kind: 'disc' | 'ring' | 'wave' | 'beam'; x: number; y: number; size: number; tone: number };

function shapes(seed: string): { scheme: number; shapes: Shape[] } {
  const next = numbers(seed);
  next();
  const scheme = Math.floor(next() * 6);
  const kinds = (['disc', 'ring', 'wave', 'beam'] as const).filter(() => next() > 0.3);
  const chosen = kinds.length > 0 ? kinds : (['disc', 'wave'] as const);
  const count = 4 + Math.floor(next() * 3);
  const list = Array.from({ length: count }, (_, index) => ({
    kind: chosen[index % chosen.length] ?? 'disc',
    x: next() * 400,
    y: next() * 160,
    size: 30 + next() * 90,
    tone: 1 + (index % 3),
  }));
  return { scheme, shapes: list };
}

function path({ kind, x, y, size }: Shape): string {
  const p = (value: number) => value.toFixed(1);
  if (kind === 'wave') {
    return `M-10 ${p(y)}C${p(x * 0.4)} ${p(y - size)} ${p(x)} ${p(y + size)} 410 ${p(y - size * 0.3)}V170H-10Z`;
  }
  return `M${p(x - size)} 170L${p(x)} -10L${p(x + size * 0.4)} -10L${p(x + size * 0.7)} 170Z`;
}

export function Poster({ seed, className = '' }: { seed: string; className?: string }) {
  const drawn = useMemo(() => shapes(seed), [seed]);
  return (
    <svg className={`poster poster-${drawn.scheme} ${className}`} viewBox="0 0 400 160" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
      <rect className="tone-0" width="400" height="160" />
      {drawn.shapes.map((shape, index) =>
        shape.kind === 'disc' ? (
          <circle key={index} className={`tone-${shape.tone}`} cx={shape.x} cy={shape.y} r={shape.size} />
        ) : shape.kind === 'ring' ? (
          <circle key={index} className={`line-${shape.tone}`} cx={shape.x} cy={shape.y} r={shape.size} />
        ) : (
          <path key={index} className={`tone-${shape.tone}`} d={path(shape)} />
        ),
      )}
    </svg>
  );
}
