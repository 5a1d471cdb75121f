// Everything one loop owns: its sessions, its rooms, its deadlines. Routes what the engine reports to where it is decided.
//
// Loop thread only, entered straight from the engine's callbacks; others come through ShardActor. On the path of a relayed message
// there is no lock, no atomic, no await and no allocation. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class Shard {
    let index: Int
    let loop: EventLoop
    let shared: SharedParts
    /// Replaced on reload (take).
    var limits: ShardLimits
    var counters = ShardCounters()

    var rooms = DenseTable<RoomsByID>()
    /// By serial. Deadlines and answers name a session by its serial, because it may have moved to another loop meanwhile.
    var sessions = DenseTable<SessionsBySerial>()
    var engineSessions = DenseTable<SessionsBySID>()
    var timers = TimerQueue<ShardTimer>()
    /// Rooms whose presence changed in this turn.
    var dirtyRooms: [Room] = []
    /// Messages every session of this loop may need; made once, on its thread. Nil when memory ran out.
    private(set) lazy var frames = SharedFrames(loop)
    /// Where an id that was written with escapes is shown while its message is worked on.
    let plainID = PlainID()
    /// Back-pressure: members whose input is held back because the process is over its budget.
    var heldBack: [Session] = []
    /// Polling sessions with packets to answer a poll with at the end of the turn.
    var dirtyPolls: [Session] = []
    /// Joins that wait for the store: by session serial, when the peer is told that it cannot say (the loop's milliseconds).
    var lookUps: [UInt64: UInt64] = [:]
    /// Members that came back before the shelf said what their room is owed, in order.
    var takeOvers: [RoomID: [(serial: UInt64, seat: PendingSeat)]] = [:]
    /// Rooms for which the shelf has yet to answer.
    var shelfAsked: Set<RoomID> = []
    /// Rooms on their way to the shelf; true: something changed meanwhile.
    var shelving: [RoomID: Bool] = [:]
    /// Rooms that this drain has put there.
    var shelved: Set<RoomID> = []
    /// Bytes that the rooms here keep for members that are away, and of ends that may not have been heard.
    var keptBytes = 0
    /// By session serial; empty unless owners approve their extensions.
    var pendingApprovals: [UInt64: PendingApproval] = [:]
    /// Rooms and unseated sessions still to be closed by the drain, and how many sessions a step.
    var drainRooms: [RoomID] = []
    var drainSessions: [UInt64] = []
    /// Rooms whose extensions have yet to prove what they were sent.
    var drainUnproved: [(room: RoomID, deadlineMs: UInt64)] = []
    var drainPerStep = 0
    /// What happened in rooms that are empty now.
    var pastTimelines = PastTimelines()
    /// The longest turn that some reader other than the metrics has seen since they last looked.
    var unreportedTurnNs: UInt64 = 0
    let startedMs: UInt64
    private var nextSerial: UInt64

    init(index: Int, loop: EventLoop, shared: SharedParts) {
        self.index = index
        self.loop = loop
        self.shared = shared
        limits = ShardLimits(shared.settings, loopCount: shared.loopCount)
        nextSerial = UInt64(index)
        startedMs = loop.nowMs
    }

    var nowMs: UInt64 { loop.nowMs }

    /// Unique in the process: shards count in steps of their number.
    func takeSerial() -> UInt64 {
        nextSerial &+= UInt64(shared.loopCount)
        return nextSerial
    }

    // MARK: Sessions

    func register(_ session: Session) {
        sessions.put(session)
        if session.engine != nil { engineSessions.put(session) }
    }

    /// Forgets the session here: it is gone or moves to another loop, and must not be touched from here again.
    func unregister(_ session: Session) {
        sessions.remove(session.serial)
        if let engine = session.engine {
            engineSessions.remove(engine.sid)
            if engine.isPollDirty {
                engine.isPollDirty = false
                dirtyPolls.removeAll { $0 === session }
            }
        }
        if session.isHeldBack { noLongerHeldBack(session) }
    }

    // MARK: Time

    func schedule(inMs delay: UInt64, _ event: ShardTimer) {
        let before = timers.nextMs
        timers.add(atMs: nowMs &+ delay, event) { isOver($0) }
        if timers.nextMs != before, let next = timers.nextMs { loop.setAlarm(atMs: next) }
    }

    /// A native session that said who it is, or is gone, has no deadline for saying so. (A Socket.IO one may take it back.)
    private func isOver(_ event: ShardTimer) -> Bool {
        guard case .greeting(let serial) = event else { return false }
        guard let session = sessions[serial] else { return true }
        return session.engine == nil && session.role != nil
    }

    func onAlarm() {
        let now = nowMs
        while let event = timers.popDue(nowMs: now) { fire(event) }
        loop.setAlarm(atMs: timers.nextMs ?? 0)
    }

    private func fire(_ event: ShardTimer) {
        switch event {
        case .greeting(let serial): if let session = sessions[serial] { greetingExpired(session) }
        case .enginePing(let serial): if let session = sessions[serial] { enginePingDue(session) }
        case .probeDeadline(let serial, let probe): if let session = sessions[serial] { probeExpired(session, probeID: probe) }
        case .barrier(let serial): if let session = sessions[serial] { barrierDue(session) }
        case .heldBack(let serial, let since): if let session = sessions[serial] { heldBackTooLong(session, since: since) }
        case .grace(let room): graceExpired(room)
        case .commands(let room): commandsExpired(room)
        case .unheard(let room): unheardExpired(room)
        case .recentEnds(let room): recentEndsExpired(room)
        case .suspect(let room, let older, let ping, let since):
            if let older = sessions[older] { suspectExpired(room, older, ping: ping, since: since) }
        case .drain: drainStep()
        case .joinOverdue(let serial): if let session = sessions[serial] { joinOverdue(session) }
        case .storeFailure(let serial): if let session = sessions[serial] { closeForStoreFailure(session) }
        case .shelf(let ticket): shelfRetryDue(ticket)
        case .shelfOverdue(let room): shelfOverdue(room)
        case .approval(let serial): if let session = sessions[serial] { approvalExpired(session) }
        case .leaving(let serial): if let session = sessions[serial] { leavingExpired(session) }
        }
    }

    func onTurnEnd() {
        if !dirtyRooms.isEmpty { flushPresence() }
        if !heldBack.isEmpty { releaseHeldBack() }
        if !dirtyPolls.isEmpty { flushPolls() }
    }

    // MARK: What the engine reports

    func onMessage(_ session: Session, _ connection: Connection, isText: Bool, _ bytes: UnsafeRawBufferPointer) {
        guard !session.isGone else { return }
        session.takeIn(bytes.count)
        if session.engine != nil {
            engineMessage(session, connection, isText: isText, bytes)
        } else if isText {
            nativeMessage(session, bytes)
        } else {
            counters.refuse(.binary)
            close(session, .notText)
        }
    }

    func onSkipped(_ session: Session, size: UInt64, prefix: UnsafeRawBufferPointer) {
        guard !session.isGone else { return }
        let start = session.engine == nil ? 0 : 1
        oversize(session, size: size, prefix: UnsafeRawBufferPointer(rebasing: prefix.dropFirst(start)))
    }

    func onWebSocketPong(_ session: Session, _ bytes: UnsafeRawBufferPointer) {
        guard session.engine == nil, bytes.count == 8, session.unconfirmed != nil else { return }
        let number = bytes.loadUnaligned(as: UInt64.self)
        if session.unconfirmed?.barrierNumber == number { barrierAnswered(session) }
    }

    func onDrained(_ session: Session) {
        if session.isCoalescing, let connection = session.connection {
            for message in session.takeProgress() {
                _ = connection.send(message)
                message.release()
            }
        }
        if let room = session.room { relieve(room) }
    }

    /// A connection arrived from another loop. HTTP connections are followed by their pending request.
    func onAdopted(_ connection: Connection) {
        guard let session = connection.session else { return }
        if session.engine != nil {
            engineAdopted(session, connection)
        } else {
            session.connection = connection
            register(session)
            startHeartbeat(session)
            takePendingSeat(session)
        }
    }

    func onClosed(_ session: Session, _ connection: Connection, _ ending: Ending) {
        if let engine = session.engine {
            engineConnectionClosed(session, engine, connection, ending)
            return
        }
        session.connection = nil
        end(session, reason: ending.name, isClean: ending.isClean, hasHeardAll: ending.hasHeardAll)
    }
}

/// What a deadline is for. Checked when it comes due; nothing is ever cancelled. Every session has one for a while, so the rare cases with
/// more to say keep it elsewhere.
enum ShardTimer {
    case greeting(UInt64)
    case enginePing(UInt64)
    indirect case probeDeadline(UInt64, UInt64)
    case barrier(UInt64)
    case heldBack(UInt64, since: UInt64)
    case grace(Room)
    case commands(Room)
    case unheard(Room)
    case recentEnds(Room)
    indirect case suspect(Room, UInt64, ping: UInt64, since: UInt64)
    case drain
    case approval(UInt64)
    case leaving(UInt64)
    case joinOverdue(UInt64)
    case storeFailure(UInt64)
    case shelf(RoomTicket)
    case shelfOverdue(RoomID)
}

/// Frames that never change, made once a loop.
struct SharedFrames {
    let nativePing: Message
    let enginePing: Message
    let engineProbeAnswer: Message

    init?(_ loop: EventLoop) {
        guard let nativePing = loop.makePing(), let enginePing = loop.makeText("2".utf8),
            let answer = loop.makeText("3probe".utf8)
        else { return nil }
        self.nativePing = nativePing
        self.enginePing = enginePing
        engineProbeAnswer = answer
    }
}
