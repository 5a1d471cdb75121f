// The change from polling to WebSocket: a second connection probes, then takes over, and nothing is lost or doubled on the way.
//
// Loop thread. Works on a session without a namespace too: the python client upgrades before it connects one.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    func beginUpgrade(_ connection: Connection, _ session: Session, _ engine: EngineState, _ cors: [(name: String, value: String)]) {
        guard connection.wantsWebSocket, engine.transport == .polling, engine.probe == nil else {
            counters.refuse(.badTransport)
            return refuseEngine(connection, .badRequest, cors)
        }
        guard upgradeEngine(connection) else { return }
        connection.setSession(session)
        engine.probe = connection
        schedule(inMs: limits.upgradeMs, .probeDeadline(session.serial, connection.id))
    }

    func probeExpired(_ session: Session, probeID: UInt64) {
        guard let engine = session.engine, let probe = engine.probe, probe.id == probeID else { return }
        dropProbe(engine, probe)
    }

    private func dropProbe(_ engine: EngineState, _ probe: Connection) {
        engine.probe = nil
        engine.isProbed = false
        probe.abortLocally()
    }

    @inline(__always)
    func engineMessage(_ session: Session, _ connection: Connection, isText: Bool, _ bytes: UnsafeRawBufferPointer) {
        // Uncounted: a session has its engine for life.
        session.engine.map(Unmanaged.passUnretained)?._withUnsafeGuaranteedRef {
            engineMessage(session, $0, connection, isText: isText, bytes)
        }
    }

    private func engineMessage(
        _ session: Session, _ engine: EngineState, _ connection: Connection, isText: Bool, _ bytes: UnsafeRawBufferPointer
    ) {
        engine.lastHeardMs = nowMs
        if session.connection == connection {
            guard isText else {
                if engine.attachmentsToSkip > 0 {
                    engine.attachmentsToSkip -= 1
                } else {
                    refuse(session, .binary, "Binary messages are not supported; send JSON.", ack: nil)
                }
                return
            }
            guard !bytes.isEmpty, enginePacketBody(session, engine, bytes) else {
                counters.refuse(.malformed)
                return endEngine(session, reason: RefusalReason.malformed.code, isClean: false)
            }
        } else if engine.probe == connection {
            probeMessage(session, engine, connection, isText ? bytes : UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    private func probeMessage(_ session: Session, _ engine: EngineState, _ probe: Connection, _ bytes: UnsafeRawBufferPointer) {
        if bytes.elementsEqual("2probe".utf8), !engine.isProbed {
            guard let answer = frames?.engineProbeAnswer, probe.send(answer) else { return dropProbe(engine, probe) }
            engine.isProbed = true
            if engine.pendingPoll != nil { markPollDirty(session, engine) }
        } else if bytes.elementsEqual("5".utf8), engine.isProbed {
            completeUpgrade(session, engine, probe)
        } else {
            dropProbe(engine, probe)
        }
    }

    private func completeUpgrade(_ session: Session, _ engine: EngineState, _ probe: Connection) {
        engine.transport = .websocket
        engine.probe = nil
        engine.isProbed = false
        session.connection = probe
        counters.upgradesToWebSocket &+= 1
        releasePoll(engine)
        if session.role != nil { applyMessageCeiling(session) }
        startHeartbeat(session)
        while let message = engine.dequeue() {
            transmit(session, message)
            message.release()
        }
        engine.endPolling()
        if session.role == .sd {
            armEnginePing(session, engine)
            sendBarrier(session, force: false)
        }
        if session.isJoining { probe.pause() }
    }
}
