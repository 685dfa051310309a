/** Gives files to the person: saved by the browser, or shared with another program where the device can. */

/** Whether pictures can be handed to other programs here. */
export const canShare = (): boolean => {
  try {
    return !!navigator.canShare?.({ files: [new File([], 'picture.png', { type: 'image/png' })] });
  } catch {
    return false;
  }
};

export function save(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Returns whether it was shared; not, where the person thought better of it. */
export async function share(file: Blob, name: string): Promise<boolean> {
  try {
    await navigator.share({ files: [new File([file], name, { type: file.type })] });
    return true;
  } catch (error) {
    if ((error as Error).name === 'AbortError') return false;
    throw error;
  }
}

/** ferlab-2026-11-27-18-55-01.png, in the device's time. */
export function named(suffix: string, now = new Date()): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const parts = [now.getFullYear(), now.getMonth() + 1, now.getDate(), now.getHours(), now.getMinutes(), now.getSeconds()];
  return `ferlab-${parts.map(two).join('-')}.${suffix}`;
}
