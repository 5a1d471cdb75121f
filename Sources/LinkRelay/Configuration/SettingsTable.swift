// The one table of settings. Flags, variables, the file's keys, --help, the manual page and docs/operations.md follow from it.
//
// Constant, any thread. A setting is added here and as a property of Settings; the tests hold the two together.
// SPDX-License-Identifier: Apache-2.0

package enum SettingsTable {
    package static let all: [Setting] = address + log + links + rooms + downloads + memory + connections + tests

    package static let listed: [Setting] = all.filter { !$0.isHidden }

    package static func setting(named name: String) -> Setting? { byName[name] }

    private static let byName = Dictionary(all.map { ($0.name, $0) }) { first, _ in first }

    private static let second = Duration.seconds(1)
    private static let hour = Duration.seconds(3600)
    private static let day = Duration.seconds(86_400)
    private static let KiB = 1 << 10
    private static let MiB = 1 << 20
    private static let GiB = 1 << 30

    private static let address = [
        Setting(
            "listen", .address, .addresses(\.listen),
            "Where connections are accepted; may be given several times. Port 0 lets the system choose. Not used when systemd hands over its sockets."),
        Setting(
            "admin-listen", .address, .admin(\.adminListen),
            "Where the operator's surface and console listen. data-dir: the socket admin.sock there, for the daemon's own user. On a loopback address every request needs a token with the scope admin."),
        Setting(
            "data-dir", .address,
            .directory(\.dataDir, fallback: "$STATE_DIRECTORY, else $XDG_DATA_HOME/linkrelay, else ~/.local/share/linkrelay"),
            "The directory with the database and the master key; made with mode 0700."),
        Setting(
            "public-url", .address, .origin(\.publicURL), reloads: true,
            "The address under which people and extensions reach this relay, if a reverse proxy gives it another one."),
        Setting(
            "hosts", .address, .hosts(\.hosts), reloads: true,
            "Further host names under which requests are answered. localhost, numeric addresses and the public URL's host always are."),
        Setting(
            "origins", .address, .origins(\.origins), reloads: true,
            "Web origins beside the relay's own page whose scripts may connect, compared exactly."),
        Setting(
            "trusted-proxies", .address, .networks(\.trustedProxies), reloads: true,
            "Reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, and nobody else's."),
        Setting(
            "user-header", .address, .headerName(\.userHeader), reloads: true,
            "A header in which a trusted proxy names the signed-in user. Needs trusted-proxies; the proxy must remove the header from what it receives."),
        Setting(
            "proxy-protocol", .address, .toggle(\.proxyProtocol),
            "Every connection begins with a PROXY protocol header (version 1 or 2) of one of the trusted-proxies; others are closed."),
        Setting(
            "tls-cert", .address, .file(\.tlsCert),
            "The certificate chain (PEM, the relay's own first) for TLS on every TCP address. SIGHUP reads the file again and drops nobody."),
        Setting("tls-key", .address, .file(\.tlsKey), "The private key (PEM, not encrypted) of tls-cert; may be the same file."),
        Setting(
            "tls-self-signed", .address, .toggle(\.tlsSelfSigned),
            "TLS with a certificate of the relay's own making, kept in the data directory: for a trial at home, since browsers warn of it."),
        Setting(
            "hsts-max-age", .address, .duration(\.hstsMaxAge, .zero...(day * 730)), reloads: true,
            "For how long browsers are told to use nothing but HTTPS for this host name, its other ports included (0s: not told)."),
        Setting(
            "loops", .address, .count(\.loops, 0...64, zero: "one for each processor core"),
            "Threads that serve connections."),
    ]

    private static let log = [
        Setting("log-level", .log, .level(\.logLevel), reloads: true, "The least urgent lines that are written."),
        Setting(
            "log-format", .log, .format(\.logFormat),
            "How lines are written to standard error. For the systemd journal they carry its priority prefix and no time."),
    ]

    private static let links = [
        Setting(
            "instance-limit", .links, .count(\.instanceLimit, 0...100_000, zero: "no limit"),
            "Links that one user may have."),
        Setting(
            "code-lifetime", .links, .duration(\.codeLifetime, .seconds(30)...day),
            "How long a pairing code can be used. Longer makes guessing easier in proportion."),
        Setting(
            "code-repeat-grace", .links, .duration(\.codeRepeatGrace, .zero...hour),
            "How long the same extension may repeat a code it has used, in case the answer was lost; it gets the same key."),
        Setting(
            "approve-extensions", .links, .toggle(\.approveExtensions),
            "An extension that presents a pairing code gets in only when the link's owner has approved it on the page."),
        Setting(
            "key-idle-lifetime", .links, .expiry(\.keyIdleLifetime, hour...(day * 3650)),
            "After how long without a connection a link is removed."),
        Setting(
            "wrong-code-burst", .links, .count(\.wrongCodeBurst, 1...1000, zero: nil),
            "Wrong codes from one address (IPv6: one /64) before it has to wait. Link keys are never limited."),
        Setting(
            "wrong-code-interval", .links, .duration(\.wrongCodeInterval, second...hour),
            "After the burst, the time for which each further wrong code is paid."),
        Setting(
            "wrong-codes-per-minute", .links, .count(\.wrongCodesPerMinute, 1...100_000, zero: nil),
            "Wrong codes from all addresses together before codes are refused for the rest of the minute."),
        Setting(
            "sign-in-lifetime", .links, .duration(\.signInLifetime, .seconds(30)...day),
            "How long a sign-in address can be used, once."),
        Setting(
            "jwt-keys", .links, .file(\.jwtKeys), reloads: true,
            "A JWKS file with the public keys (RSA, P-256, Ed25519) of an identity provider whose signed tokens are taken. Read again on SIGHUP. Needs jwt-issuer and jwt-audience."),
        Setting(
            "jwt-issuer", .links, .word(\.jwtIssuer), reloads: true,
            "What such a token must say in iss, exactly."),
        Setting(
            "jwt-audience", .links, .word(\.jwtAudience), reloads: true,
            "What such a token must say, or list, in aud."),
        Setting(
            "jwt-user-claim", .links, .claim(\.jwtUserClaim), reloads: true,
            "The claim of such a token that names the user. Unknown names become ordinary users; the token's scope must contain link."),
        Setting(
            "introspection-url", .links, .service(\.introspectionUrl), reloads: true,
            "Where an identity provider says whether a token is active (RFC 7662). Asked about tokens that are neither the relay's nor signed for it; answers are kept for a minute. Needs introspection-client-id and introspection-secret."),
        Setting(
            "introspection-client-id", .links, .word(\.introspectionClientId), reloads: true,
            "As whom the relay asks."),
        Setting(
            "introspection-secret", .links, .file(\.introspectionSecret), reloads: true,
            "The file with the secret for it. Read again on SIGHUP."),
    ]

    private static let rooms = [
        Setting(
            "presence-grace", .rooms, .duration(\.presenceGrace, .zero...(second * 600)), reloads: true,
            "How long an extension that vanished still counts as present, its commands held."),
        Setting(
            "heartbeat-interval", .rooms, .duration(\.heartbeatInterval, second...(second * 600)), reloads: true,
            "How often a silent connection is pinged. Keep it under the idle limit of every proxy on the way. A reload changes it for new connections."),
        Setting(
            "heartbeat-timeout", .rooms, .duration(\.heartbeatTimeout, second...hour), reloads: true,
            "How long after a ping a connection may stay silent. An extension busy with a picture may be silent for long. A reload changes it for new connections."),
        Setting(
            "commands-in-flight", .rooms, .count(\.commandsInFlight, 1...65_536, zero: nil), reloads: true,
            "Unfinished commands of one room."),
        Setting(
            "command-timeout", .rooms, .duration(\.commandTimeout, second...(day * 7)), reloads: true,
            "After how long without a report an unfinished command is ended with an error."),
        Setting(
            "result-retention", .rooms, .duration(\.resultRetention, .zero...day), reloads: true,
            "How long the end of a command is kept for a client that comes back."),
        Setting(
            "held-command-count", .rooms, .count(\.heldCommandCount, 0...65_536, zero: "none"), reloads: true,
            "Commands of one room held while its extension is away for a moment; so many ends, too, are kept for clients that may not have heard them."),
        Setting(
            "held-command-bytes", .rooms, .bytes(\.heldCommandBytes, 0...GiB), reloads: true,
            "Bytes of such commands, and of such ends, of one room."),
    ]

    private static let downloads = [
        Setting(
            "command-policy", .downloads, .policy(\.commandPolicy), reloads: true,
            "strict looks into commands that add or remove files and refuses dangerous addresses and names; open relays them unseen. The owner of a link may choose otherwise for it."),
        Setting(
            "download-hosts", .downloads, .words(\.downloadHosts, .host), reloads: true,
            "The only hosts that files may come from; *.example.org means every name below it. Owners may add some for their links."),
        Setting(
            "download-suffixes", .downloads, .words(\.downloadSuffixes, .suffix), reloads: true,
            "How the names of added files may end."),
        Setting(
            "download-lan-hosts", .downloads, .words(\.downloadLanHosts, .lanHost), reloads: true,
            "Hosts of the installs' own network that files may come from all the same, over http as well."),
    ]

    private static let memory = [
        Setting(
            "client-message-bytes", .memory, .bytes(\.clientMessageBytes, KiB...GiB), reloads: true,
            "The largest message from a web client."),
        Setting(
            "sd-message-bytes", .memory, .bytes(\.sdMessageBytes, KiB...GiB), reloads: true,
            "The largest message from an extension. A larger one is skipped and its command ended; the connection stays."),
        Setting(
            "room-memory-bytes", .memory, .bytes(\.roomMemoryBytes, (64 * KiB)...(64 * GiB)), reloads: true,
            "Bytes queued and held for one room before its senders are paused."),
        Setting(
            "process-memory-bytes", .memory, .bytes(\.processMemoryBytes, MiB...(1024 * GiB)), reloads: true,
            "Bytes queued and held for all rooms before senders are paused."),
        Setting(
            "member-queue-bytes", .memory, .bytes(\.memberQueueBytes, (16 * KiB)...GiB), reloads: true,
            "Bytes queued for one slow member before its connection is closed."),
        Setting(
            "member-queue-count", .memory, .count(\.memberQueueCount, 16...1_000_000, zero: nil), reloads: true,
            "Messages queued for one slow member before its connection is closed."),
        Setting(
            "poll-bytes", .memory, .bytes(\.pollBytes, (16 * KiB)...GiB), reloads: true,
            "Bytes queued for one long-polling session before it is closed."),
        Setting(
            "head-bytes", .memory, .bytes(\.headBytes, KiB...MiB),
            "The largest head of an HTTP request."),
        Setting(
            "json-depth", .memory, .count(\.jsonDepth, 8...512, zero: nil), reloads: true,
            "The deepest nesting of a message."),
        Setting(
            "fragment-count", .memory, .count(\.fragmentCount, 1...10_000_000, zero: nil),
            "Fragments of one WebSocket message, empty ones included."),
    ]

    private static let connections = [
        Setting(
            "connection-count", .connections, .count(\.connectionCount, 1...10_000_000, zero: nil),
            "Open connections; further ones are answered 503. The limit of open files has to leave room for them."),
        Setting(
            "connections-per-address", .connections, .count(\.connectionsPerAddress, 1...10_000_000, zero: nil),
            "Open connections from one address (IPv6: one /64; behind a trusted proxy: the address it reports)."),
        Setting(
            "members-per-room", .connections, .count(\.membersPerRoom, 2...65_536, zero: nil), reloads: true,
            "Connections in one room."),
        Setting(
            "first-message-timeout", .connections, .duration(\.firstMessageTimeout, second...hour), reloads: true,
            "How long a new connection may take to say who it is (`iam`)."),
        Setting(
            "upgrade-timeout", .connections, .duration(\.upgradeTimeout, second...(second * 600)), reloads: true,
            "How long the change from long-polling to WebSocket may take."),
        Setting(
            "head-timeout", .connections, .duration(\.headTimeout, second...(second * 600)),
            "How long the head of a request may take."),
        Setting(
            "body-timeout", .connections, .duration(\.bodyTimeout, second...hour),
            "How long a request's body may stand still, and how long all of it may take; every 16 KiB that came give it another second."),
        Setting(
            "keepalive-timeout", .connections, .duration(\.keepaliveTimeout, second...hour),
            "How long an HTTP connection may idle between requests. Longer than the proxy's own limit avoids lost requests."),
        Setting(
            "drain-window", .connections, .duration(\.drainWindow, .zero...(second * 600)), reloads: true,
            "On SIGTERM, the time over which connections are closed, so that not all come back in the same instant."),
        Setting(
            "compression", .connections, .toggle(\.compression), reloads: true,
            "Whether WebSocket messages are compressed (permessage-deflate) for peers that offer it. Costs processor time, helps on slow links."),
        Setting(
            "compression-threshold-bytes", .connections, .bytes(\.compressionThresholdBytes, 64...(256 * KiB)), reloads: true,
            "Smaller messages are sent as they are."),
        Setting(
            "http-gzip", .connections, .toggle(\.httpGzip), reloads: true,
            "Whether the page's files, metrics and long-polling answers are compressed. Answers that hold a key never are."),
    ]

    private static let tests = [
        Setting(
            "fault-store", .address, .file(\.faultStore), hidden: true,
            "For tests of failures: while this file exists, the store answers every call with an error.")
    ]
}
