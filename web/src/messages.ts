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
export const WATCHING = 'Reading the nearest face.';
export const foundFaces = (count: number) => (count === 1 ? 'One face found.' : `${count} faces found. The bars show the largest.`);

export const NO_CAMERA_HERE = 'Cameras need a secure page. Open it by https or on localhost, or open a photo or video.';
export const UNPLUGGED = 'The camera was disconnected. Connect it and start again.';
export const NO_FACE = 'No face in sight. Come closer, face the camera, and see that light falls on the face.';
export const NO_FACE_IN_PHOTO = 'No face was found in this photo. Take one that shows a face from the front.';
export const TOO_SMALL = 'This picture is too small to show a face. Choose one of at least 24 pixels a side.';

export const badFile = (name: string, kind: string) =>
  `${name} cannot be read as a ${kind}. It may be damaged or of a kind that this browser does not know; ` +
  `try ${kind === 'photo' ? 'JPEG or PNG' : 'MP4 (H.264) or WebM'}.`;
export const otherFile = (name: string) => `${name} is neither a photo nor a video. Choose a JPEG, PNG, MP4 or WebM.`;

export const RESTARTED = 'The part of the page that reads faces stopped. It was started again.';
export const GIVEN_UP =
  'The part of the page that reads faces does not start or stops again and again. Reload the page; if that does not help, ' +
  'close other tabs and programs.';
export const noSmallFaces = (why: string) => `Smaller faces were not searched for. ${why}`;
