// Lists that grew in a burst give their memory back.
//
// Any value, on its owner's thread. Must never be asked for on every message: it copies what is left. SPDX-License-Identifier: Apache-2.0

extension ContiguousArray {
    /// After removals: makes a list that is less than a quarter full small again. Short ones stay as they are.
    mutating func giveBackSpareCapacity() {
        guard capacity > 1024, count < capacity / 4 else { return }
        // `ContiguousArray(self[...])` would be the same list again.
        var smaller = ContiguousArray()
        smaller.reserveCapacity(Swift.max(count * 2, 512))
        smaller.append(contentsOf: self)
        self = smaller
    }
}
