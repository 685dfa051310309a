/**
 * The faces of a video, each with its number, followed from picture to picture and averaged over time, whatever the frame
 * rate. The same as src/ferlab/inference/tracks.py, which gives the numbers that tests/fixtures.py writes.
 */
import { overlap } from './detector';
import type { Box, Face } from './protocol';

const TIME_CONSTANT = 250; // ms
const LOST = 600; // ms without a face, after which it comes back as another
const LEAST_OVERLAP = 0.2; // with where the face was last
const NEARER = 1.2; // times as large is a face that the page turns to by itself

export interface Followed {
  /** From 0 in order of appearance. */
  number: number;
  box: Box;
  /** By how many radians it is turned upright before it is read. */
  tilt: number;
  score: number;
  /** The running average; null where the face was not read for long. */
  probabilities: number[] | null;
}

interface Track extends Followed {
  seenAt: number;
  readAt: number;
  /** As it was before the last reading. */
  before: { probabilities: number[] | null; readAt: number };
}

const UNREAD = { probabilities: null, readAt: -Infinity };

export class Tracks {
  private tracks: Track[] = [];
  private read: Track[] = [];
  private count = 0;
  private chosen: number | null = null;
  private nearest: number | null = null;

  /** Faces of a picture at a time in ms, read or not -> those of the same order, averaged. */
  update(faces: Face[], now: number): Followed[] {
    const tracks = this.place(faces, now);
    faces.forEach(({ probabilities }, i) => probabilities && average(tracks[i]!, probabilities, now));
    this.read = tracks;
    return tracks;
  }

  /** Where the faces of that same picture were then found; what was read where none is, `held` says, is forgotten. */
  settle(found: Face[], held: boolean[], now: number): Followed[] {
    this.read.forEach((track, i) => !held[i] && Object.assign(track, track.before));
    return this.place(found, now);
  }

  /** The face whose bars are shown, or null: the one that was chosen, else the nearest; a while longer than it is seen. */
  shown(now: number): Followed | null {
    this.forget(now);
    const chosen = this.tracks.find(({ number }) => number === this.chosen);
    if (chosen) return chosen;
    this.chosen = null;
    const area = ({ box }: Followed) => box[2] * box[3];
    const [largest] = this.tracks.filter(({ seenAt }) => seenAt === this.latest()).sort((a, b) => area(b) - area(a));
    const before = this.tracks.find(({ number }) => number === this.nearest);
    const stays = before && (!largest || (before.seenAt === largest.seenAt && area(largest) < NEARER * area(before)));
    const found = stays ? before : (largest ?? null);
    this.nearest = found?.number ?? null;
    return found;
  }

  choose(number: number): void {
    this.chosen = number;
  }

  /** The next picture shows another moment: nobody is followed into it, and nobody gets a number again. */
  part(): void {
    this.tracks = this.read = [];
    this.chosen = this.nearest = null;
  }

  reset(): void {
    this.part();
    this.count = 0;
  }

  private latest = () => Math.max(...this.tracks.map(({ seenAt }) => seenAt));

  private forget(now: number): void {
    this.tracks = this.tracks.filter(({ seenAt }) => now - seenAt <= LOST);
    for (const track of this.tracks) if (now - track.readAt > LOST) Object.assign(track, UNREAD);
  }

  private place(faces: Face[], now: number): Track[] {
    this.forget(now);
    const matched = this.match(faces);
    return faces.map(({ box, tilt, score }, i) => {
      const track = matched.get(i) ?? { number: this.count++, ...UNREAD, before: UNREAD, box, tilt, score, seenAt: now };
      if (!matched.has(i)) this.tracks.push(track);
      return Object.assign(track, { box, tilt, score, seenAt: now });
    });
  }

  /** Those that overlap most first, each face and track once. */
  private match(faces: Face[]): Map<number, Track> {
    const pairs = faces.flatMap(({ box }, i) => this.tracks.map((track) => ({ i, track, shared: overlap(box, track.box) })));
    pairs.sort((a, b) => b.shared - a.shared || a.track.number - b.track.number || a.i - b.i);
    const found = new Map<number, Track>();
    const taken = new Set<Track>();
    for (const { i, track, shared } of pairs) {
      if (shared < LEAST_OVERLAP || found.has(i) || taken.has(track)) continue;
      found.set(i, track);
      taken.add(track);
    }
    return found;
  }
}

function average(track: Track, probabilities: number[], now: number): void {
  const { probabilities: before, readAt } = track;
  track.before = { probabilities: before, readAt };
  const kept = before ? Math.exp(-Math.max(now - readAt, 0) / TIME_CONSTANT) : 0;
  track.probabilities = probabilities.map((p, k) => (before ? kept * before[k]! + (1 - kept) * p : p));
  track.readAt = now;
}
