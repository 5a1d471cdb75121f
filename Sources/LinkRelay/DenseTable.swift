// A table of elements that hold their own key, one after the other without gaps.
//
// A value with one owner, on its thread. Half the size of a Dictionary, which keeps the key a second time and leaves up to five eighths of its
// slots empty. The order of elements means nothing and changes on removal. SPDX-License-Identifier: Apache-2.0

/// How elements say their key.
protocol Keying {
    associatedtype Element
    associatedtype Key: Equatable
    static func key(of element: Element) -> Key
    /// As good as random.
    static func hash(_ key: Key) -> UInt64
}

struct DenseTable<By: Keying> {
    /// May be walked while the table changes: it is a value.
    private(set) var values: ContiguousArray<By.Element> = []
    private var index = SlotIndex()

    var count: Int { values.count }

    subscript(_ key: By.Key) -> By.Element? { place(of: key).map { values[$0] } }

    /// Takes the place of one with the same key.
    mutating func put(_ element: By.Element) {
        let key = By.key(of: element)
        if let place = place(of: key) {
            values[place] = element
        } else {
            values.append(element)
            index.insert(By.hash(key), place: values.count - 1) { [values] in Self.hash(values[$0]) }
        }
    }

    @discardableResult
    mutating func remove(_ key: By.Key) -> By.Element? {
        guard let place = place(of: key) else { return nil }
        index.remove(By.hash(key), place: place) { [values] in Self.hash(values[$0]) }
        let last = values.count - 1
        if place != last {
            index.move(Self.hash(values[last]), from: last, to: place)
            values.swapAt(place, last)
        }
        let removed = values.removeLast()
        values.giveBackSpareCapacity()
        return removed
    }

    private func place(of key: By.Key) -> Int? { index.find(By.hash(key)) { By.key(of: values[$0]) == key } }

    private static func hash(_ element: By.Element) -> UInt64 { By.hash(By.key(of: element)) }
}

extension DenseTable: Sendable where By.Element: Sendable {}
