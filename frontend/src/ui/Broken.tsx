/** Catches what a view throws, such as a part of the page that is gone after an update. */
import { Component, type ReactNode } from 'react';
import { Button } from 'react-bootstrap';
import { useI18n } from '../i18n';
import { Notice } from './States';

function Message() {
  const { t } = useI18n();
  return (
    <div role="alert">
      <Notice icon="warning" title={t('state.broken')} text={t('state.broken.text')}>
        <Button onClick={() => window.location.reload()}>{t('state.reload')}</Button>
      </Notice>
    </div>
  );
}

export class Broken extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidUpdate(before: { children: ReactNode }): void {
    // Another view may be whole.
    if (this.state.failed && before.children !== this.props.children) this.setState({ failed: false });
  }

  override render(): ReactNode {
    return this.state.failed ? <Message /> : this.props.children;
  }
}
