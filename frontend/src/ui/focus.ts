/** Keeps the keyboard's place when what had it goes away. */

/** After the next drawing: if nothing has the focus, the view's heading gets it. */
export function keepFocus(): void {
  setTimeout(() => {
    const focused = document.activeElement;
    if (!focused || focused === document.body) document.querySelector('h1')?.focus({ preventScroll: true });
  });
}
