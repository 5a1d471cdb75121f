// `relayd serve`: opens the data, starts the relay, says where it listens, and follows signals until it is told to stop.
//
// In tasks. Exits only through `run`'s return value, or at once on a second SIGINT.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkRelay

struct Daemon {
    private enum Occurrence: Sendable {
        case signal(DaemonSignal)
        case stopped
        case overdue
    }

    /// How long after the drain window the relay may take to stop.
    private static let stopPatience = Duration.seconds(10)

    private let source: SettingsPlaces
    private var settings: Settings
    private let sink: StandardErrorLog
    private let log: Log
    private let notifier: ServiceNotifier
    private let data: StorageDirectory
    private let certificate: Certificate?
    private let relay: Relay
    /// Whom it believes about users.
    private var outside: OutsideAccounts

    static func run(_ source: SettingsPlaces, _ loaded: LoadedSettings, showsWelcome: Bool) async throws -> ExitCode {
        let settings = loaded.settings
        let sink = StandardErrorLog(format: settings.logFormat, journalStream: source.environment["JOURNAL_STREAM"])
        defer { sink.close() }
        let log = Log(level: settings.logLevel, sink: sink)
        prepareProcess(settings, log)
        let data = try await StorageDirectory.open(settings, mayMake: true)
        guard try data.claim() else {
            throw Failure(.unavailable, "another relay runs on \(data.path); stop it, or give another --data-dir.")
        }
        let outside = try OutsideTrust.open(settings)
        let (owner, isFirstStart) = try await data.accounts.ensureOwner()
        let certificate = try Certificate.open(settings, dataPath: data.path)
        certificate?.noteReaders(log)
        let relay = try relay(settings, log, data, certificate, outside)
        let daemon = Daemon(
            source: source, settings: settings, sink: sink, log: log,
            notifier: ServiceNotifier(environment: source.environment), data: data, certificate: certificate, relay: relay,
            outside: outside)
        let (occurrences, continuation) = AsyncStream.makeStream(of: Occurrence.self)
        SignalWaiter.receive { continuation.yield(.signal($0)) }
        relay.onEndRequest { continuation.yield(.signal(.terminate)) }
        let addresses = try await daemon.start()
        if isFirstStart || showsWelcome || Terminal.isInteractive { await daemon.welcome(owner, addresses) }
        return await daemon.follow(occurrences, continuation)
    }

    private static func prepareProcess(_ settings: Settings, _ log: Log) {
        ProcessLimits.forbidCoreDumps()
        let room = ProcessLimits.raiseOpenFiles()
        if room < settings.connectionCount {
            log.write(
                .warning, "few_descriptors",
                [
                    "room": .count(room), "connection_count": .count(settings.connectionCount),
                    "advice": "raise LimitNOFILE or ulimit -n",
                ])
        }
    }

    private static func relay(
        _ settings: Settings, _ log: Log, _ data: StorageDirectory, _ certificate: Certificate?, _ outside: OutsideAccounts
    ) throws(Failure) -> Relay {
        let limiter = WrongCodeLimiter(
            burst: settings.wrongCodeBurst, interval: settings.wrongCodeInterval, totalPerMinute: settings.wrongCodesPerMinute)
        let keys = KeyService(
            store: data.store, vault: data.vault, policy: KeyPolicy(settings), wrongCodes: limiter,
            wallClock: LogClock.system.wall, monotonic: LogClock.system.monotonic)
        do {
            return try Relay(
                settings: settings, log: log, store: data.store, keys: keys, accounts: data.accounts, tls: certificate?.tls,
                outside: outside,
                wallClock: LogClock.system.wall, monotonic: LogClock.system.monotonic)
        } catch {
            throw Failure(.system, "\(error).")
        }
    }

    /// Returns where it listens.
    private func start() async throws(Failure) -> [String] {
        let sockets = SocketActivation.adopt(SocketActivation.announced(in: source.environment))
        for socket in sockets.refused {
            log.write(
                .error, "inherited_socket_refused", ["name": .string(socket.name), "descriptor": .count(socket.descriptor)])
        }
        if sockets.listening.isEmpty {
            for address in settings.listen {
                if let (reason, isInUse) = AddressProbe.obstacle(address) {
                    await data.store.close()
                    throw cannotListen(address.description, reason, isInUse)
                }
            }
        }
        do {
            try await relay.start(inherited: sockets.listening.map(\.descriptor))
        } catch {
            // Not relay.stop(): it waits for loops that may never have begun. The process ends anyway.
            await data.store.close()
            switch error {
            case .cannotListen(let address, let reason, let isInUse):
                throw cannotListen(address, reason, isInUse)
            case .store: throw Failure(.storage, "\(error).")
            case .noResources: throw Failure(.system, "\(error).")
            }
        }
        let inherited = sockets.listening.map { SocketActivation.webAddress(of: $0) ?? "the inherited socket \($0.name)" }
        let addresses = inherited.isEmpty ? relay.boundAddresses : inherited
        if let address = relay.adminAddress { Terminal.say("admin at \(address)") }
        for address in addresses { Terminal.say("listening on \(address)") }
        if let line = certificate?.fingerprintLine { Terminal.say(line) }
        if let address = addresses.first(where: { $0.hasPrefix("http") }) { data.publish(address: address) }
        log.write(
            .notice, "started", ["version": .string(Version.text), "addresses": .string(addresses.joined(separator: ","))])
        notifier.ready(status: "Relaying")
        startWatchdog()
        return addresses
    }

    private func cannotListen(_ address: String, _ reason: String, _ isInUse: Bool) -> Failure {
        let advice = isInUse ? "stop what listens there, or choose another with --listen" : "choose another with --listen"
        return Failure(.unavailable, "cannot listen on \(address): \(reason); \(advice).")
    }

    /// How to get in, and how to link. A ticket is a secret: it goes to a terminal or a pipe, never into the journal.
    private func welcome(_ owner: UserRecord, _ addresses: [String]) async {
        let site = SiteAddress.choose(settings, bound: addresses)
        let isJournal = StandardErrorLog.isJournal(
            journalStream: source.environment["JOURNAL_STREAM"], descriptor: STDOUT_FILENO)
        if isJournal {
            Terminal.say("to sign in, run: \(Self.ownName) sign-in --data-dir \(data.path)")
            return
        }
        guard let ticket = try? await data.accounts.newTicket(user: owner.id, lifetime: settings.signInLifetime) else {
            log.write(.warning, "no_sign_in_address", ["advice": "run relayd sign-in later"])
            return
        }
        Terminal.say(
            """

            Sign in (once, within \(DurationText.describe(settings.signInLifetime)); again with `\(Self.ownName) sign-in --data-dir \(data.path)`):
              \(SiteAddress.signIn(site, ticket: ticket))

            Link an extension: make a link on that page, start the extension with this relay's address, enter the code there.
              A1111 web UI   --civitai-link-endpoint \(site)
              ComfyUI        CIVITAI_LINK_URL=\(site)
            \(SiteAddress.reach(settings, bound: addresses).map { $0 + "\n" } ?? "")
            """)
    }

    /// As the command was typed: it need not be on the PATH.
    private static var ownName: String { CommandLine.arguments.first ?? "relayd" }

    // MARK: - While it runs

    private func follow(
        _ occurrences: AsyncStream<Occurrence>, _ continuation: AsyncStream<Occurrence>.Continuation
    ) async -> ExitCode {
        var now = self
        var isStopping = false
        for await occurrence in occurrences {
            switch occurrence {
            case .signal(.hangUp):
                if !isStopping { await now.reload() }
            case .signal(let signal):
                if isStopping {
                    if signal == .interrupt { leaveAtOnce() }
                    continue
                }
                isStopping = true
                now.stop(continuation)
            case .stopped:
                return .done
            case .overdue:
                log.write(.error, "stop_overdue", ["advice": "a loop or the store did not answer; ended without it"])
                return .system
            }
        }
        return .done
    }

    private mutating func reload() async {
        notifier.reloading()
        defer { notifier.ready(status: "Relaying") }
        let change: Settings.Reload
        do {
            change = try settings.reloading(try source.load().settings)
        } catch {
            log.write(.error, "reload_refused", ["reason": .string(error.description)])
            return
        }
        settings = change.settings
        log.level = settings.logLevel
        do {
            outside = try OutsideTrust.load(settings)
        } catch {
            // A file half written is no reason to turn everybody away: what was read before stays in use.
            log.write(.error, "provider_not_reloaded", ["reason": .string(error.sentence)])
        }
        await relay.reload(settings, outside: outside)
        certificate?.reload(log)
        log.write(
            .notice, "reloaded",
            [
                "applied": .string(change.applied.joined(separator: ",")),
                "need_restart": .string(change.waiting.joined(separator: ",")),
            ])
    }

    private func stop(_ continuation: AsyncStream<Occurrence>.Continuation) {
        notifier.stopping(status: "Draining")
        let patience = settings.drainWindow + Self.stopPatience
        notifier.extendTimeout(patience + .seconds(5))
        log.write(.notice, "stopping", ["drain_window": .string(DurationText.describe(settings.drainWindow))])
        data.withdrawAddress()
        Task { [relay, log] in
            await relay.drain()
            await relay.stop()
            log.write(.notice, "stopped")
            continuation.yield(.stopped)
        }
        Task {
            try? await Task.sleep(for: patience)
            continuation.yield(.overdue)
        }
    }

    private func leaveAtOnce() -> Never {
        log.write(.warning, "stopped_at_once")
        sink.close()
        exit(128 + SIGINT)
    }

    /// Pings only while every loop turns; a stuck one lets the service manager start the relay anew.
    private func startWatchdog() {
        guard let period = notifier.watchdogPeriod else { return }
        Task.detached { [relay, notifier, log] in
            let patience = max(1, Int(period.components.seconds))
            while !Task.isCancelled {
                if await relay.isAlive(within: patience) {
                    notifier.watchdog()
                } else {
                    log.write(.error, "loops_stuck", ["seconds": .count(patience)])
                }
                try? await Task.sleep(for: period)
            }
        }
    }
}
