// Sending a member away without losing what it said before it knew: its messages still count, new ones for it wait for its return.
//
// Loop thread. For drains only: whoever is closed for what it did is not heard any further. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    /// How long a polling member may take to fetch what is queued for it and to send what it has.
    static let leavingMs: UInt64 = 2000
    /// How long after its last poll was refused: python clients post what they still have only then.
    static let lastPostsMs: UInt64 = 500

    func sendAway(_ session: Session, _ reason: CloseReason) {
        guard !session.isGone, !session.isLeaving else { return }
        counters.close(reason)
        session.endReason = reason.label
        session.isLeaving = true
        if let connection = session.connection { return connection.close(reason, hearingOut: true) }
        guard let engine = session.engine else { return }
        schedule(inMs: Self.leavingMs, .leaving(session.serial))
        if engine.queueCount > 0 { markPollDirty(session, engine) } else { releasePoll(engine) }
    }

    /// A poll of a member that was sent away and has nothing left to fetch: it learns that the session is over.
    func refuseLastPoll(
        _ connection: Connection, _ session: Session, _ engine: EngineState, _ cors: [(name: String, value: String)]
    ) {
        refuseEngine(connection, .sessionUnknown, cors)
        engine.isLastPollRefused = true
        schedule(inMs: Self.lastPostsMs, .leaving(session.serial))
    }

    /// The drain's time is up: who has not gone yet is cut off, so that the rooms can be put on the shelf.
    func cutOffStragglers() {
        for session in sessions.values {
            if let connection = session.connection { connection.abortLocally() } else { endEngine(session, reason: "drain_over", isClean: false) }
        }
    }

    func leavingExpired(_ session: Session) {
        endEngine(session, reason: session.endReason ?? CloseReason.restarting.label, isClean: false)
    }
}
