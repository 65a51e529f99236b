/** The frame of each view: its title in the window and as heading, and the focus on it after a change of view. */
import { type ReactNode, useEffect, useRef } from 'react';
import { NavigationType, useLocation, useNavigationType } from 'react-router';
import { useConfig } from '../app/config';

/** Whether a view has been shown before: the first one leaves the focus to the browser. */
let moved = false;

export function useView(title: string): React.RefObject<HTMLHeadingElement | null> {
  const { branding } = useConfig();
  const heading = useRef<HTMLHeadingElement>(null);
  const { pathname } = useLocation();
  const how = useNavigationType();
  useEffect(() => {
    document.title = title ? `${title} · ${branding.name}` : branding.name;
  }, [title, branding.name]);
  useEffect(() => {
    if (moved) {
      heading.current?.focus({ preventScroll: true });
      // Going back, the browser knows where one was.
      if (how !== NavigationType.Pop) window.scrollTo(0, 0);
    }
    moved = true;
  }, [pathname, how]);
  return heading;
}

export function Title({ children, hidden = false }: { children: string; hidden?: boolean }) {
  const heading = useView(children);
  return (
    <h1 ref={heading} tabIndex={-1} className={hidden ? 'visually-hidden' : undefined}>
      {children}
    </h1>
  );
}

export function Head({ title, lead, children }: { title: string; lead?: string; children?: ReactNode }) {
  return (
    <header className="head">
      <div>
        <Title>{title}</Title>
        {lead && <p className="lead">{lead}</p>}
      </div>
      {children && <div className="head-actions">{children}</div>}
    </header>
  );
}
