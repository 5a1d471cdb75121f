// A shard's deadlines: a binary heap of moments and what they are for.
//
// Pure but for the references it carries; one shard, one loop. Entries are not cancelled: whoever is called back checks whether the
// moment still means anything, which is cheaper than finding an entry again. Instead of growing, the queue first drops those that mean
// nothing any more. SPDX-License-Identifier: Apache-2.0

struct TimerQueue<Event> {
    private var heap: ContiguousArray<(atMs: UInt64, event: Event)> = []

    private static var sweptCount: Int { 64 }

    var isEmpty: Bool { heap.isEmpty }
    var count: Int { heap.count }
    var nextMs: UInt64? { heap.first?.atMs }

    /// `isOver`: asked of every entry when there is no space; true: it need never come due.
    mutating func add(atMs: UInt64, _ event: Event, isOver: (Event) -> Bool = { _ in false }) {
        if heap.count == heap.capacity, heap.count >= Self.sweptCount { sweep(isOver) }
        heap.append((atMs, event))
        rise(heap.count - 1)
    }

    private mutating func sweep(_ isOver: (Event) -> Bool) {
        let capacity = heap.capacity
        heap.removeAll { isOver($0.event) }
        for i in heap.indices { rise(i) }
        // Else the next sweep comes too soon.
        if heap.count > capacity / 2 { heap.reserveCapacity(capacity * 2) }
    }

    private mutating func rise(_ place: Int) {
        var child = place
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].atMs <= heap[child].atMs { break }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    /// The earliest event if its moment has come.
    mutating func popDue(nowMs: UInt64) -> Event? {
        guard let first = heap.first, first.atMs <= nowMs else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sinkRoot()
        }
        heap.giveBackSpareCapacity()
        return first.event
    }

    private mutating func sinkRoot() {
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < heap.count else { return }
            let right = left + 1
            let least = right < heap.count && heap[right].atMs < heap[left].atMs ? right : left
            if heap[parent].atMs <= heap[least].atMs { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
