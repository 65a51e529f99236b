/** In one or two words: whether there are seats. */
import type { Event } from '../api/client';
import { useI18n } from '../i18n';
import { isScarce, type Seats } from './sale';
import { useSale } from './useSale';
import { shortDay, zoneOf } from './when';

export function Badge({ event, seats }: { event: Event; seats: Seats }) {
  const { t, locale } = useI18n();
  const sale = useSale(event);
  const [tone, text] = ((): [string, string] => {
    switch (sale.kind) {
      case 'cancelled':
        return ['off', t('seats.cancelled')];
      case 'over':
        return ['off', t('sale.over')];
      case 'ended':
        return ['off', t('sale.ended')];
      case 'notYet':
        return ['soon', t('sale.notYet', { date: shortDay(sale.at, zoneOf(event), locale) })];
      case 'open':
        break;
    }
    if (seats.kind === 'loading') return ['loading', ''];
    if (seats.kind === 'failed') return ['unknown', t('seats.failed')];
    if (seats.kind === 'unknown') return ['unknown', t('seats.unknown')];
    if (seats.left === 0) return ['off', t('seats.soldOut')];
    return isScarce(seats.left, seats.capacity)
      ? ['few', t('seats.few', { n: seats.left })]
      : ['good', t('seats.left', { n: seats.left })];
  })();
  if (tone === 'loading') return <span className="bone bone-badge" aria-hidden="true" />;
  return <span className={`tag tag-${tone}`}>{text}</span>;
}
