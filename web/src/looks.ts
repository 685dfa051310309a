/** How expressions look: a colour and a drawing for each, on the page and in pictures that are kept. */

interface Look {
  /** Far apart for every kind of colour vision, and light enough for dark letters on it: tests/looks.test.mjs. */
  colour: string;
  /** Lines of a face within 24 x 24, around which a circle is drawn. */
  lines: string;
}

const EYES = 'M9 9.4v1.2M15 9.4v1.2';

const LOOKS: Record<string, Look> = {
  angry: { colour: '#f64832', lines: 'M6.8 7.6l3.4 1.6M17.2 7.6l-3.4 1.6M9.3 10.6v.8M14.7 10.6v.8M8.6 16.8c2-1.8 4.8-1.8 6.8 0' },
  disgust: { colour: '#11c96f', lines: 'M7.2 9.2l3 .9M16.8 9.2l-3 .9M10.8 12.2l1.2-.9 1.2.9M7.8 16.6c1.6-2.4 2.6-.6 4.2-1 1.6-.5 2.6-1.8 4.2.2' },
  fear: { colour: '#af67c0', lines: 'M6.8 8.2l3-1.8M17.2 8.2l-3-1.8M9 10.2v1.2M15 10.2v1.2M7.6 16.8l1.76-1.7 1.76 1.7 1.76-1.7 1.76 1.7 1.76-1.7' },
  happy: { colour: '#fbe421', lines: `${EYES}M7.6 13.4c1.4 4.4 7.4 4.4 8.8 0z` },
  sad: { colour: '#7172ff', lines: 'M6.8 9.2l3-1.4M17.2 9.2l-3-1.4M9 10.6v1M15 10.6v1M8.4 17.2c1.6-2.6 5.6-2.6 7.2 0' },
  surprise: { colour: '#fea7f9', lines: 'M7.2 7.4c.8-1 2-1 2.8 0M14 7.4c.8-1 2-1 2.8 0M9 9.6v1.2M15 9.6v1.2M12 13.4a2 2.3 0 1 0 .01 0z' },
  neutral: { colour: '#cfe0dc', lines: `${EYES}M8.6 15.6h6.8` },
};

/** Of a name that is none of the seven, and of faces that are not named. */
const UNKNOWN: Look = { colour: '#cfe0dc', lines: 'M9.4 9.8a2.6 2.6 0 1 1 3.8 2.3c-.8.5-1.2 1-1.2 2M12 16.6v.4' };

export const INK = '#0b1a1a';
export const lookOf = (name: string): Look => LOOKS[name] ?? UNKNOWN;

const CIRCLE = 'M12 2.6a9.4 9.4 0 1 0 .01 0z';
export const drawing = (name: string) => CIRCLE + lookOf(name).lines;

/** An icon of an expression, which says nothing to a screen reader: its name stands beside it. */
export function icon(name: string): SVGSVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  made.setAttribute('viewBox', '0 0 24 24');
  made.setAttribute('aria-hidden', 'true');
  made.classList.add('icon');
  made.append(document.createElementNS('http://www.w3.org/2000/svg', 'path'));
  setIcon(made, name);
  return made;
}

export function setIcon(made: SVGSVGElement, name: string): void {
  const lines = drawing(name);
  if (made.firstElementChild!.getAttribute('d') !== lines) made.firstElementChild!.setAttribute('d', lines);
}
