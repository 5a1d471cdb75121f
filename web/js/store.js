// Holds the page's state as one plain object and tells views when it changed.
// Changes are shallow patches; views compare slices by identity, so a slice is replaced, never edited in place.
// SPDX-License-Identifier: Apache-2.0

/** A store whose subscribers run once per burst of changes, after the code that caused it has finished. */
export function createStore(initial) {
  let state = initial;
  let isScheduled = false;
  const subscribers = new Set();

  function flush() {
    isScheduled = false;
    for (const subscriber of subscribers) subscriber(state);
  }

  return {
    get: () => state,
    set(patch) {
      state = { ...state, ...patch };
      if (isScheduled) return;
      isScheduled = true;
      queueMicrotask(flush);
    },
    subscribe(subscriber) {
      subscribers.add(subscriber);
      subscriber(state);
      return () => subscribers.delete(subscriber);
    },
  };
}
