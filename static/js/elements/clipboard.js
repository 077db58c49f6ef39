// Copies text and says so.

import { store } from "../state/store.js";

/**
 * Copies a text. Scripts may write to the clipboard only over https and on this machine; elsewhere `shown`, the element
 * with the text, is selected for copying by keyboard.
 *
 * @param what the text in words, as the start of a sentence
 * @param shown the element with the text, or null
 * @param rest a further sentence for the note
 */
export async function copyText(text, what, shown = null, rest = "") {
  try {
    await navigator.clipboard.writeText(text);
    store.set({ note: `${what} was copied.${rest}` });
  } catch {
    if (shown) getSelection().selectAllChildren(shown);
    store.set({ note: shown ? `${what} is selected; copy it with the keyboard.` : `${what} is the address of this page: copy it from the address bar.${rest}` });
  }
}
