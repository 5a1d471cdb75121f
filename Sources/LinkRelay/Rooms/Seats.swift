// A room's members of one role, in the order in which they came.
//
// A value owned by one room, used on its loop. Most rooms have one member of a role and no more: then it is the member itself and no array, so
// that an idle room has no block for it. Holds a reference to each. SPDX-License-Identifier: Apache-2.0

enum Seats: RandomAccessCollection {
    case one(Session)
    /// Empty, or two and more.
    case many(ContiguousArray<Session>)

    @inline(__always) init() { self = .many([]) }

    @inline(__always) var startIndex: Int { 0 }
    @inline(__always) var endIndex: Int {
        switch self {
        case .one: 1
        case .many(let all): all.count
        }
    }

    /// A place that is not there is the caller's mistake, as with an array.
    @inline(__always) subscript(_ i: Int) -> Session {
        switch self {
        case .one(let only): only
        case .many(let all): all[i]
        }
    }

    var all: ContiguousArray<Session> {
        switch self {
        case .one(let only): [only]
        case .many(let all): all
        }
    }

    mutating func append(_ session: Session) {
        switch self {
        case .one(let only): self = .many([only, session])
        case .many(var all):
            self = .many([])
            all.append(session)
            take(all)
        }
    }

    /// False: it had no seat here.
    @discardableResult
    mutating func remove(_ session: Session) -> Bool {
        switch self {
        case .one(let only):
            guard only === session else { return false }
            self = .many([])
        case .many(var all):
            guard let i = all.firstIndex(where: { $0 === session }) else { return false }
            self = .many([])
            all.remove(at: i)
            take(all)
        }
        return true
    }

    private mutating func take(_ all: ContiguousArray<Session>) {
        if all.count == 1, let only = all.first { self = .one(only) } else { self = .many(all) }
    }
}
