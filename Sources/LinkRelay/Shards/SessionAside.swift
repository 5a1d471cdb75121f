// What few sessions have at any moment, kept out of the way of those that do not: an idle one is as small as it can be.
//
// Owned by one session, touched on its loop. Made when the first of these is set, dropped when the last is cleared. Never on the way of a
// message. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class SessionAside {
    /// What it said of itself beyond its role.
    var identity: Identity?
    /// A credential given in the Authorization header of a native upgrade, used by a `join` without one.
    var presetCredential: JoinCredential?
    /// Seat to take once the move to the room's home loop is done.
    var pendingSeat: PendingSeat?
    /// Input that arrived over polling while it was joining.
    var deferredInput: [UInt8] = []
    /// Why it ended, for the log and the operator.
    var endReason: String?

    /// Progress held back because this member is slow: the newest per command.
    var coalesced: CoalescedProgress?
    /// What no longer fitted the session's own counters.
    var earlierTraffic = Traffic()
    /// Since when its input is held back; 0 while it is not.
    var heldBackMs: UInt64 = 0

    var isEmpty: Bool {
        identity == nil && presetCredential == nil && pendingSeat == nil && deferredInput.isEmpty && endReason == nil && heldBackMs == 0
            && coalesced == nil && earlierTraffic.isZero
    }
}

extension Session {
    /// Nil also when it said nothing but its role.
    var identity: Identity? {
        get { aside?.identity }
        set {
            let isTelling = newValue.map { $0 != Identity(role: $0.role) } ?? false
            change { $0.identity = isTelling ? newValue : nil }
        }
    }

    var presetCredential: JoinCredential? {
        get { aside?.presetCredential }
        set { change { $0.presetCredential = newValue } }
    }

    var pendingSeat: PendingSeat? {
        get { aside?.pendingSeat }
        set { change { $0.pendingSeat = newValue } }
    }

    var endReason: String? {
        get { aside?.endReason }
        set { change { $0.endReason = newValue } }
    }

    /// Its input is held back because its room or the process is over the memory budget.
    var isHeldBack: Bool { heldBackMs != 0 }
    /// The same, or the engine waits for memory to read on with.
    var isNotRead: Bool { isHeldBack || connection?.isStarved == true }

    var heldBackMs: UInt64 {
        get { aside?.heldBackMs ?? 0 }
        set { change { $0.heldBackMs = newValue } }
    }

    var earlierTraffic: Traffic {
        get { aside?.earlierTraffic ?? Traffic() }
        set { change { $0.earlierTraffic = newValue } }
    }

    // MARK: Progress for a slow member

    @inline(__always) var isCoalescing: Bool { aside?.coalesced != nil }

    /// Keeps `message` (retaining it) as the newest progress of this command. False: no room.
    func keepProgress(id: UnsafeRawBufferPointer, _ message: Message) -> Bool {
        var isKept = false
        change { aside in
            if aside.coalesced == nil { aside.coalesced = CoalescedProgress() }
            isKept = aside.coalesced?.keep(id: id, message) ?? false
        }
        return isKept
    }

    /// Forgets what is kept for `id`: something newer follows.
    func discardProgress(id: UnsafeRawBufferPointer) { aside?.coalesced?.discard(id: id) }

    /// The references become the caller's.
    func takeProgress() -> [Message] {
        guard let kept = aside?.coalesced?.takeAll() else { return [] }
        change { $0.coalesced = nil }
        return kept
    }

    // MARK: Input put off

    var deferredByteCount: Int { aside?.deferredInput.count ?? 0 }

    /// Keeps input for later, as one body with what is kept already.
    func deferInput(_ bytes: UnsafeRawBufferPointer) {
        change { aside in
            if !aside.deferredInput.isEmpty { aside.deferredInput.append(0x1E) }
            aside.deferredInput.append(contentsOf: bytes)
        }
    }

    func takeDeferredInput() -> [UInt8] {
        let input = aside?.deferredInput ?? []
        if !input.isEmpty { change { $0.deferredInput = [] } }
        return input
    }

    private func change(_ body: (SessionAside) -> Void) {
        let changed = aside ?? SessionAside()
        body(changed)
        aside = changed.isEmpty ? nil : changed
    }
}
