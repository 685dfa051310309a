/** What browser.mjs adds to a page, and what tests put into it. */
import 'playwright-core';

declare module 'playwright-core' {
  interface Page {
    url0: string;
    sent: string[];
    faults: string[];
    closeServer(): Promise<unknown>;
    end(): Promise<void>;
  }
}

declare global {
  interface Window {
    [name: string]: any;
  }
  interface Element {
    [name: string]: any;
  }
}
