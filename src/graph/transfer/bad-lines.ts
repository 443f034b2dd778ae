import { type FieldError, KeyholdError } from '../../core/errors.ts';

/** So many bad places are named in a refusal. */
const maxNamed = 100;

/** Collects what is wrong with an import, so that it is refused once, with all of it. */
export class BadLines {
  readonly #errors: FieldError[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Notes what is wrong. `place` is a line or a path, and `detail` the rest of the sentence that begins with it. */
  add(place: string, detail: string): void {
    this.#count += 1;
    if (this.#errors.length < maxNamed) this.#errors.push({ field: place, detail });
  }

  /** Throws `invalid_request` with the first hundred, if there are any. */
  refuse(): void {
    const [first] = this.#errors;
    if (!first) return;
    const others = this.#count === 1 ? '' : ` ${this.#count - 1} more are wrong.`;
    throw new KeyholdError(
      'invalid_request',
      `Nothing was imported. ${first.field}: ${first.detail}${others} Correct them and import again.`,
      { errors: this.#errors },
    );
  }
}
