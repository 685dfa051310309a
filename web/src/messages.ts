/** What the page says when something is not as it should be: what happened, and what to do. */

const CAMERA: Record<string, string> = {
  NotAllowedError:
    'The camera was not allowed. Allow it for this page in the browser’s address bar or settings, then start again, ' +
    'or open a photo or video.',
  NotFoundError: 'No camera was found. Connect one and start again, or open a photo or video.',
  NotReadableError: 'The camera is in use by another program or was not ready. Close that program and start again.',
  OverconstrainedError: 'No camera fits what was asked for. Switch the camera or connect another one.',
  SecurityError: 'This browser or its settings forbid cameras on this page. Open a photo or video instead.',
  AbortError: 'The camera stopped before it gave a picture. Start again.',
  InvalidStateError: 'The page was not ready for a camera. Reload it and start again.',
  TypeError: 'This browser could not ask for a camera. Open a photo or video instead.',
};

/** For whatever getUserMedia threw. */
export function cameraMessage(error: unknown): string {
  const name = error instanceof Error || error instanceof DOMException ? error.name : 'unknown';
  return CAMERA[name] ?? `The camera could not be started (${name}). Start again, or open a photo or video.`;
}

export const READY = 'Ready. Start the camera or open a file.';
export const PREPARING = 'Preparing the model…';
export const WAITING = 'Waiting for the camera. Your browser may ask whether this page may use it.';
export const READING_PHOTO = 'Reading the photo…';
export const WHOLE = 'The whole picture was read as one face.';
export const opening = (name: string) => `Opening ${shortened(name)}…`;
export const watching = (faces: number) => (faces > 1 ? `Reading ${faces} faces. Tap one to see its bars.` : 'Reading the nearest face.');
/** `label` is of the largest face. */
export const foundFaces = (count: number, label: string) =>
  count === 1 ? `One face found: ${label}.` : `${count} faces found. The bars show the largest: ${label}. Tap another to see its bars.`;

export const NO_CAMERA_HERE = 'Cameras need a secure page. Open it by https or on localhost, or open a photo or video.';
export const UNPLUGGED = 'The camera was disconnected. Connect it and start again.';
export const NO_FACE = {
  camera: 'No face in sight. Come closer, face the camera, and see that light falls on the face.',
  video: 'No face in sight in this part of the video.',
};
export const NO_FACE_IN_PHOTO = 'No face was found in this photo. Take one that shows a face from the front.';
export const TOO_SMALL = 'This picture is too small to show a face. Choose one of at least 24 pixels a side.';

const LONGEST_NAME = 40;

/** A file's name, with its middle left out where it is long. */
export const shortened = (name: string) => (name.length > LONGEST_NAME ? `${name.slice(0, 26)}…${name.slice(-13)}` : name);

export const badFile = (name: string, kind: string) =>
  `${shortened(name)} cannot be read as a ${kind}. It may be damaged or of a kind that this browser does not know; ` +
  `try ${kind === 'photo' ? 'JPEG or PNG' : 'MP4 (H.264) or WebM'}.`;
export const otherFile = (name: string) => `${shortened(name)} is neither a photo nor a video. Choose a JPEG, PNG, MP4 or WebM.`;

export const RESTARTED = 'The part of the page that reads faces stopped. It was started again.';
export const GIVEN_UP =
  'The part of the page that reads faces does not start or stops again and again. Reload the page; if that does not help, ' +
  'close other tabs and programs.';
export const noSmallFaces = (why: string) => `Smaller faces were not searched for. ${why}`;

export const NOTHING_READ = 'Nothing was read yet. Wait for a label, then keep the picture.';
export const SHARED = 'The picture was shared.';
export const NOT_SHARED = 'The picture was not shared.';
export const saved = (name: string) => `The picture was saved as ${name}.`;
export const notKept = (why: string) => `The picture could not be kept (${why}). Try the other button, or take a screenshot.`;
export const savedTable = (name: string) => `The table of what was read was saved as ${name}.`;
