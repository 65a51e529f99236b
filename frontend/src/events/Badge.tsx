/** In one or two words: whether there are seats. */
import { useConfig } from '../app/config';
import { nowSeconds } from '../api/clock';
import type { Event } from '../api/client';
import { useI18n } from '../i18n';
import { isScarce, saleOf, type Seats } from './sale';
import { shortDay, zoneOf } from './when';

export function Badge({ event, seats }: { event: Event; seats: Seats }) {
  const { t, locale } = useI18n();
  const { sales } = useConfig();
  const sale = saleOf(event, sales, nowSeconds());
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
    if (seats.kind === 'unknown') return ['unknown', t('seats.unknown')];
    if (seats.left === 0) return ['off', t('seats.soldOut')];
    return isScarce(seats.left, seats.capacity)
      ? ['few', t('seats.few', { n: seats.left })]
      : ['good', t('seats.left', { n: seats.left })];
  })();
  if (tone === 'loading') return <span className="bone bone-badge" aria-hidden="true" />;
  return <span className={`tag tag-${tone}`}>{text}</span>;
}
