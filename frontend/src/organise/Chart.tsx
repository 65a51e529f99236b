/** Seats booked over time, as bars; and the same as a table for whoever can't see them. */
import { useI18n } from '../i18n';
import type { Span, Width } from './series';

const HEIGHT = 160;
const BAR = 20;
const GAP = 6;

export function Chart({ spans, width }: { spans: Span[]; width: Width }) {
  const { t, locale } = useI18n();
  const most = Math.max(...spans.map((span) => span.seats), 1);
  const reach = spans.length * (BAR + GAP);
  const options: Intl.DateTimeFormatOptions = width === 'hour' ? { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' } : { day: 'numeric', month: 'short' };
  const date = (span: Span) => new Intl.DateTimeFormat(locale, options).format(new Date(span.start * 1_000));
  const number = (value: number) => new Intl.NumberFormat(locale).format(value);
  const [first, last] = [spans[0], spans.at(-1)];
  return (
    <figure className="chart">
      <figcaption>
        <h2>{t('bookings.chart')}</h2>
        <span className="muted">{number(most)}</span>
      </figcaption>
      <svg viewBox={`0 0 ${Math.max(reach, 320)} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <line className="chart-line" x1="0" x2={Math.max(reach, 320)} y1="0.5" y2="0.5" />
        <line className="chart-line" x1="0" x2={Math.max(reach, 320)} y1={HEIGHT / 2} y2={HEIGHT / 2} />
        {spans.map((span, index) => {
          const height = (span.seats / most) * (HEIGHT - 4);
          return (
            <rect key={span.start} className="chart-bar" x={index * (BAR + GAP)} y={HEIGHT - height} width={BAR} height={height}>
              <title>{t('bookings.chart.point', { date: date(span), n: span.seats })}</title>
            </rect>
          );
        })}
        <line className="chart-line" x1="0" x2={Math.max(reach, 320)} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
      </svg>
      <p className="chart-ends muted">
        <span>{first && date(first)}</span>
        <span>{last && last !== first && date(last)}</span>
      </p>
      <details>
        <summary>{t('bookings.chart.table')}</summary>
        <table className="table-plain">
          <thead>
            <tr>
              <th scope="col">{t('bookings.date')}</th>
              <th scope="col">{t('bookings.seats')}</th>
            </tr>
          </thead>
          <tbody>
            {spans
              .filter((span) => span.seats > 0)
              .map((span) => (
                <tr key={span.start}>
                  <td>{date(span)}</td>
                  <td>{number(span.seats)}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
