// Where in a dense list an element with some key is: four bytes a slot, so that a table of many small things costs little more than they do.
//
// A value with one owner, on its thread. Open addressing with linear probing, at most three quarters full, shifted back on removal; grows by
// half and shrinks again. Holds places only: keys and hashes are asked of the owner. SPDX-License-Identifier: Apache-2.0

struct SlotIndex {
    /// A place plus one; 0: free.
    private var slots: ContiguousArray<UInt32> = []
    private var count = 0

    private static let leastCapacity = 16

    /// The place whose element has this hash and is the one meant. Hashes must be as good as random.
    @inline(__always)
    func find(_ hash: UInt64, _ isMeant: (Int) -> Bool) -> Int? {
        guard count > 0 else { return nil }
        var i = home(hash)
        while slots[i] != 0 {
            let place = Int(slots[i] &- 1)
            if isMeant(place) { return place }
            i = next(i)
        }
        return nil
    }

    /// `hashOf`: the hash of the element at a place. No element may be in it twice.
    mutating func insert(_ hash: UInt64, place: Int, hashOf: (Int) -> UInt64) {
        if (count + 1) * 4 > slots.count * 3 { resize(to: max(Self.leastCapacity, slots.count / 2 * 3), hashOf) }
        fill(hash, UInt32(truncatingIfNeeded: place &+ 1))
        count += 1
    }

    /// The element at `place` is still there to be asked.
    mutating func remove(_ hash: UInt64, place: Int, hashOf: (Int) -> UInt64) {
        guard var hole = slot(hash, place) else { return }
        count -= 1
        // Pull back whatever the hole would hide from its home.
        var i = next(hole)
        while slots[i] != 0 {
            let wanted = home(hashOf(Int(slots[i] &- 1)))
            if distance(wanted, i) >= distance(hole, i) {
                slots[hole] = slots[i]
                hole = i
            }
            i = next(i)
        }
        slots[hole] = 0
        if slots.count > Self.leastCapacity, count * 5 < slots.count { resize(to: max(Self.leastCapacity, count * 2), hashOf) }
    }

    /// The element with this hash is at another place now.
    mutating func move(_ hash: UInt64, from: Int, to: Int) {
        if let i = slot(hash, from) { slots[i] = UInt32(truncatingIfNeeded: to &+ 1) }
    }

    private func slot(_ hash: UInt64, _ place: Int) -> Int? {
        guard count > 0 else { return nil }
        let wanted = UInt32(truncatingIfNeeded: place &+ 1)
        var i = home(hash)
        while slots[i] != 0 {
            if slots[i] == wanted { return i }
            i = next(i)
        }
        return nil
    }

    private mutating func fill(_ hash: UInt64, _ value: UInt32) {
        var i = home(hash)
        while slots[i] != 0 { i = next(i) }
        slots[i] = value
    }

    private mutating func resize(to capacity: Int, _ hashOf: (Int) -> UInt64) {
        let old = slots
        slots = ContiguousArray(repeating: 0, count: capacity)
        for value in old where value != 0 { fill(hashOf(Int(value &- 1)), value) }
    }

    @inline(__always) private func home(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(slots.count)).high)
    }
    @inline(__always) private func next(_ i: Int) -> Int { i + 1 == slots.count ? 0 : i + 1 }
    @inline(__always) private func distance(_ from: Int, _ to: Int) -> Int { to >= from ? to - from : to + slots.count - from }
}
