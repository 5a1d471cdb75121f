// "The owner approves each new extension": who waits at a pairing code, and what the owner said.
//
// Any thread; a lock, never on the way of a message. In memory only: after a restart an extension presents its code again and the owner is
// asked again. Bounded for each link. Holds no secret: a code is known by its hash, an address is blurred. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// An extension that has presented a code and is not let in yet.
struct Applicant: Sendable {
    /// Names it towards the owner: its session's serial.
    var number: UInt64
    /// What it called itself.
    var name: String?
    /// Where it is, blurred.
    var from: String
    var at: WallTime
    /// The same extension, should it come back.
    var fingerprint: SecretHash
    /// Called once with the owner's word, on any thread.
    var tell: @Sendable (Bool) -> Void
}

final class Approvals: Sendable {
    /// Extensions that may wait at one code, and refused ones that are remembered.
    static let applicantCount = 8
    static let refusedCount = 64

    enum Verdict: Sendable { case approved, refused, waits, full }

    private struct Entry {
        var code: SecretHash
        var waiting: [Applicant] = []
        var approved: SecretHash?
        var refused: [SecretHash] = []
    }

    private let entries = Locked<[InstanceID: Entry]>([:])

    /// What the owner thinks of the applicant; without a word yet it waits from now on.
    func judge(_ applicant: Applicant, at code: SecretHash, of id: InstanceID) -> Verdict {
        entries.withLock { entries in
            var entry = entries[id] ?? Entry(code: code)
            if entry.code != code { entry = Entry(code: code) }
            defer { entries[id] = entry }
            if entry.approved == applicant.fingerprint { return .approved }
            if entry.refused.contains(applicant.fingerprint) { return .refused }
            entry.waiting.removeAll { $0.number == applicant.number }
            guard entry.waiting.count < Self.applicantCount else { return .full }
            entry.waiting.append(applicant)
            return .waits
        }
    }

    /// The owner's word. One approval is all that a code is good for. False: nobody of that number waits (any more).
    func decide(_ number: UInt64, of id: InstanceID, isApproved: Bool) -> Bool {
        let tell: (@Sendable (Bool) -> Void)? = entries.withLock { entries in
            guard var entry = entries[id], let i = entry.waiting.firstIndex(where: { $0.number == number }) else { return nil }
            let applicant = entry.waiting.remove(at: i)
            if isApproved {
                entry.approved = applicant.fingerprint
            } else if entry.refused.count < Self.refusedCount {
                entry.refused.append(applicant.fingerprint)
            }
            entries[id] = entry
            return applicant.tell
        }
        tell?(isApproved)
        return tell != nil
    }

    func waiting(at id: InstanceID) -> [Applicant] { entries.withLock { $0[id]?.waiting ?? [] } }

    /// It left, or waits no longer.
    func withdraw(_ number: UInt64) {
        entries.withLock { entries in
            for id in entries.keys { entries[id]?.waiting.removeAll { $0.number == number } }
        }
    }

    /// The code is spent or gone.
    func forget(_ ids: some Sequence<InstanceID>) {
        entries.withLock { entries in for id in ids { entries[id] = nil } }
    }
}

/// The session that presents a credential, as an owner may have to judge it.
package struct Presenter: Sendable {
    package var serial: UInt64
    package var name: String?
    /// Called once, on any thread, if the owner had to be asked and has answered.
    package var tell: @Sendable (Bool) -> Void

    package init(serial: UInt64, name: String?, tell: @escaping @Sendable (Bool) -> Void) {
        self.serial = serial
        self.name = name
        self.tell = tell
    }
}
