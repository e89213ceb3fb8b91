// Splitting at white space while a word is expanded.

import { isSpace } from "./space.ts";

/** Collects words. One buffer serves all nesting levels, as in BuildKit: a `${name-word}` forgets what stood before it in its word. */
export class WordBuffer {
  #buffer = "";

  begin(): { addText(text: string): void; addRaw(text: string): void; finish(): string[] } {
    this.#buffer = "";
    const words: string[] = [];
    let isInWord = false;
    const addText = (text: string): void => {
      for (const char of text) {
        if (!isSpace(char)) {
          this.#buffer += char;
          isInWord = true;
        } else if (isInWord && this.#buffer !== "") {
          words.push(this.#buffer);
          this.#buffer = "";
          isInWord = false;
        }
      }
    };
    const addRaw = (text: string): void => {
      this.#buffer += text;
      isInWord = true;
    };
    const finish = (): string[] => {
      if (this.#buffer !== "") words.push(this.#buffer);
      this.#buffer = "";
      return words;
    };
    return { addText, addRaw, finish };
  }
}
