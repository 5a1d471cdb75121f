// Extensions whose pairing waits for the owner: no answer yet, no seat, but a living connection.
//
// Loop thread; the owner's word comes by ShardActor. Its input goes on, or a peer that hangs up would not be noticed for minutes; what it
// sends is refused as from anybody who is not in a room. Deployed extensions set no time-out on a join's answer.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// A `join` by code that an owner may have to judge.
struct PendingApproval {
    let credential: JoinCredential
    let ack: AckReference?
    /// The owner's word, if it was faster than the answer that it is needed.
    var verdict: Bool?
}

extension Shard {
    /// What to give the key service with a code; nil where no owner is asked.
    func presenter(_ session: Session, _ credential: JoinCredential, _ ack: AckReference?, home: ShardActor) -> Presenter? {
        guard shared.keys.asksOwners, session.role == .sd, case .code = credential else { return nil }
        let serial = session.serial
        pendingApprovals[serial] = PendingApproval(credential: credential, ack: ack)
        return Presenter(serial: serial, name: session.identity?.name) { isApproved in
            Task { await home.run { $0.ownerSaid(serial, isApproved) } }
        }
    }

    /// The code is good, the owner has to say so too.
    func awaitApproval(_ session: Session) {
        counters.approvalsAsked &+= 1
        log(.notice, "approval_asked", session, nil)
        if let verdict = pendingApprovals[session.serial]?.verdict { return ownerSaid(session.serial, verdict) }
        schedule(inMs: limits.codeLifetimeMs, .approval(session.serial))
        resumeInput(session)
    }

    private func ownerSaid(_ serial: UInt64, _ isApproved: Bool) {
        guard let session = sessions[serial], let pending = pendingApprovals[serial] else { return }
        // Its join is still on its way back from the key service, which finds the word here.
        guard !session.isJoining else {
            pendingApprovals[serial]?.verdict = isApproved
            return
        }
        pendingApprovals[serial] = nil
        log(.notice, isApproved ? "approval_given" : "approval_denied", session, nil)
        guard isApproved else { return refuseJoin(session, .notApproved, JoinRefusal.notApproved.sentence, pending.ack) }
        present(session, pending.credential, pending.ack)
    }

    /// The code has run out.
    func approvalExpired(_ session: Session) {
        guard let pending = pendingApprovals[session.serial], !session.isJoining else { return }
        forgetApproval(session)
        refuseJoin(session, .expiredCode, JoinRefusal.expiredCode.sentence, pending.ack)
    }

    /// It ended, or presented something else.
    func forgetApproval(_ session: Session) {
        guard !pendingApprovals.isEmpty, pendingApprovals.removeValue(forKey: session.serial) != nil else { return }
        shared.keys.withdraw(session.serial)
    }
}
