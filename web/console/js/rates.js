// How fast counters grow: remembers the last look at each and gives differences a second. Pure but for what it remembers.
// SPDX-License-Identifier: Apache-2.0

export class Rates {
  #before = new Map();

  /** Rates of all counters in `values` since the last call for `key`; each null at first, or after the counter began anew. */
  of(key, values, at) {
    const former = this.#before.get(key);
    const seconds = former ? (at - former.at) / 1000 : 0;
    this.#before.set(key, { values, at });
    const grown = (name) => {
      const difference = seconds > 0 ? values[name] - former.values[name] : -1;
      return difference < 0 ? null : difference / seconds;
    };
    return Object.fromEntries(Object.keys(values).map((name) => [name, grown(name)]));
  }

  /** Forgets whatever was not looked at since `at`. */
  prune(at) {
    for (const [key, one] of this.#before) if (one.at < at) this.#before.delete(key);
  }
}
