/** Opened files: a photo becomes a bitmap of moderate size (an 8k one takes 130 MB), a video an address that plays. */
import { pictureOf } from './canvas';
import { LONGEST } from './everyone';
import { resized } from './framing';
import { Trouble } from './trouble';

const SHORTEST = 24;
const LONGEST_NAME = 40;

/** A file's name, with its middle left out where it is long. */
export const shortened = (name: string) => (name.length > LONGEST_NAME ? `${name.slice(0, 26)}…${name.slice(-13)}` : name);

export type Opened = { kind: 'photo'; bitmap: ImageBitmap } | { kind: 'video'; url: string };

/** Throws a Trouble when the file is no photo or video, or damaged. */
export async function openFile(file: File): Promise<Opened> {
  if (file.type.startsWith('video/')) return { kind: 'video', url: URL.createObjectURL(file) };
  if (file.type && !file.type.startsWith('image/')) throw new Trouble('file.other', { name: shortened(file.name) });
  return { kind: 'photo', bitmap: await openPhoto(file) };
}

async function openPhoto(file: File): Promise<ImageBitmap> {
  let whole: ImageBitmap;
  try {
    whole = await createImageBitmap(file, { imageOrientation: 'from-image' }); // turned as its EXIF tag says
  } catch {
    throw new Trouble('photo.bad', { name: shortened(file.name) });
  }
  if (Math.min(whole.width, whole.height) < SHORTEST) {
    whole.close();
    throw new Trouble('photo.small', { side: SHORTEST });
  }
  const scale = Math.min(1, LONGEST / Math.max(whole.width, whole.height));
  const [width, height] = [whole.width, whole.height].map((n) => Math.max(Math.round(n * scale), 1));
  try {
    const { data } = resized(pictureOf(whole, 'white'), width!, height!); // white behind what is transparent
    return await createImageBitmap(new ImageData(data, width!, height!));
  } finally {
    whole.close();
  }
}
