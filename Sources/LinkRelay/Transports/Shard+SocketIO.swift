// Socket.IO packets inside Engine.IO messages: the namespace, events, acks.
//
// Loop thread. The namespace CONNECT is acknowledged at once, before anything is looked up: a deployed client gives up after one second.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    /// One Engine.IO packet, over whichever transport. False: it cannot be one, and the session ends.
    @inline(__always)
    func enginePacketBody(_ session: Session, _ engine: EngineState, _ packet: UnsafeRawBufferPointer) -> Bool {
        switch packet[0] {
        case 0x34:  // message
            socketIOMessage(session, engine, packet)
        case 0x33:  // pong
            pongHeard(session, engine)
        case 0x32:  // ping: version 4 clients do not send it, but it is answered
            sendOnce(session, [0x33] + Array(packet.dropFirst().prefix(125)))
        case 0x31:  // close
            endEngine(session, reason: "peer_goodbye", isClean: true)
        case 0x36:  // noop
            break
        case 0x62:  // 'b': a binary message over polling
            if engine.attachmentsToSkip > 0 {
                engine.attachmentsToSkip -= 1
            } else {
                refuse(session, .binary, "Binary messages are not supported; send JSON.", ack: nil)
            }
        default:
            return false
        }
        return true
    }

    @inline(__always)
    private func socketIOMessage(_ session: Session, _ engine: EngineState, _ bytes: UnsafeRawBufferPointer) {
        let packet: SocketIOPacket
        do throws(SocketIOError) {
            packet = try SocketIO.decode(bytes.bytes, from: 1, maxDepth: limits.jsonDepth)
        } catch {
            guard engine.isConnected else { return endUnconnected(session, .malformed) }
            return refuse(session, .malformed, error.sentence, ack: nil)
        }
        // CONNECT_ERROR has been sent for any other namespace, and a DISCONNECT from it asks for nothing.
        guard engine.isConnected || packet.kind == .connect || packet.kind == .disconnect else {
            return endUnconnected(session, .invalidNamespace)
        }
        switch packet.kind {
        case .event: event(session, engine, bytes, packet)
        case .connect: connect(session, engine, bytes, packet)
        case .disconnect: disconnect(session, engine, packet)
        case .ack: break
        case .connectError: refuse(session, .malformed, "Only the relay sends CONNECT_ERROR.", ack: nil)
        case .binaryEvent, .binaryAck:
            engine.attachmentsToSkip = UInt8(clamping: packet.attachmentCount)
            let ack = packet.kind == .binaryAck ? nil : AckReference(bytes, packet.ackID)
            refuse(session, .binary, "Binary events are not supported; send JSON.", ack: ack)
        }
    }

    @inline(__always)
    private func event(_ session: Session, _ engine: EngineState, _ bytes: UnsafeRawBufferPointer, _ packet: SocketIOPacket) {
        guard packet.isRootNamespace else {
            return refuse(session, .invalidNamespace, "There is only the namespace /.", ack: nil)
        }
        guard let event = packet.event else {
            return refuse(session, .unknownEvent, "There is no such event; see PROTOCOL.md.", ack: AckReference(bytes, packet.ackID))
        }
        dispatch(
            session,
            Inbound(
                event, in: bytes, data: packet.payload, string: packet.payloadString, fields: packet.fields, ack: packet.ackID,
                plainID: plainID))
    }

    /// The first packet has to be CONNECT: anything else ends the transport (Socket.IO v5, "Connection to a namespace"). No `error` is sent,
    /// since there is no namespace to send it on.
    @inline(never)
    private func endUnconnected(_ session: Session, _ reason: RefusalReason) {
        counters.refuse(reason)
        endEngine(session, reason: reason.code, isClean: false)
    }

    private func connect(_ session: Session, _ engine: EngineState, _ bytes: UnsafeRawBufferPointer, _ packet: SocketIOPacket) {
        guard packet.isRootNamespace else {
            counters.refuse(.invalidNamespace)
            return sendOnce(
                session, SocketIO.connectError(namespace: Array(bytes[packet.namespace]), message: "Invalid namespace"))
        }
        engine.isConnected = true
        sendOnce(session, SocketIO.connected(sid: engine.socketID.text))
    }

    private func disconnect(_ session: Session, _ engine: EngineState, _ packet: SocketIOPacket) {
        guard packet.isRootNamespace else { return }
        engine.isConnected = false
        if session.room != nil { unseat(session, how: .left) }
        session.role = nil
        applyMessageCeiling(session)
    }
}
