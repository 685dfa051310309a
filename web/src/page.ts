/** The page's elements by their ids. */
export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

export const percent = (p: number) => `${Math.round(100 * p)} %`;
