/** `/organise/locations`: all of them. */
import { Link } from 'react-router';
import { useI18n } from '../i18n';
import { Icon } from '../ui/Icon';
import { Head } from '../ui/Page';
import { Failure, Loading, Notice } from '../ui/States';
import { useLocations } from './kinds';
import { useRights } from './rights';

export function Locations() {
  const { t } = useI18n();
  const asked = useLocations();
  const rights = useRights();
  return (
    <>
      <Head title={t('locations.title')} lead={t('locations.lead')}>
        {rights.events && (
          <Link className="btn btn-primary" to="/organise/locations/new">
            <Icon name="plus" size={18} /> {t('organise.newLocation')}
          </Link>
        )}
      </Head>
      {asked.isPending ? (
        <Loading />
      ) : !asked.data ? (
        <Failure error={asked.error} retry={() => void asked.refetch()} />
      ) : asked.data.length === 0 ? (
        <Notice icon="hall" title={t('locations.empty')} text={t('locations.empty.text')} />
      ) : (
        <ul className="rows">
          {asked.data.map((location) => {
            const halls = location.Halls ?? [];
            const seats = halls.reduce((sum, hall) => sum + hall.capacity, 0);
            return (
              <li key={location.ID} className="row-card">
                <Icon name="hall" size={24} />
                <div>
                  <h2>
                    <Link to={`/organise/locations/${location.ID}`} className="stretched">
                      {location.Name}
                    </Link>
                  </h2>
                  <p className="muted">{[location.Address, location.Country].filter(Boolean).join(', ')}</p>
                </div>
                <p className="row-end muted">{[halls.map((hall) => hall.name).join(', '), t('event.hallSeats', { n: seats })].filter(Boolean).join(' · ')}</p>
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}
