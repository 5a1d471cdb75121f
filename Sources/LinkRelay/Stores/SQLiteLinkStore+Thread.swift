// The store's own thread: takes jobs in order, groups the writes among them into transactions, answers after the commit.
//
// `submit` from any thread; all SQLite work on the one thread made here. A job is answered exactly once. Writes that were
// waiting together share one transaction and thus one sync; one that fails is undone alone (its savepoint), and if the shared
// transaction itself is lost (disk full), each is tried again alone, so that nobody fails for a neighbour.
// A job may therefore run twice: it must depend on nothing but the database. A job that waits too long for its turn is withdrawn
// undone (SQLiteLinkStore+Patience.swift). SPDX-License-Identifier: Apache-2.0

import Glibc

/// `@unchecked Sendable`: `connection` is touched by the store's thread only (handed over by pthread_create, which orders
/// memory); everything else is behind `mutex`.
final class SQLiteThread: @unchecked Sendable {
    /// Most jobs that share one transaction.
    private static let batchCount = 256

    let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Not yet taken up; behind `mutex`, like the next one.
    var jobs: [SQLiteJob] = []
    var isWatched = false
    let patience: Duration
    private var isStopping = false
    private var stopContinuations: [CheckedContinuation<Void, Never>] = []
    private var isStopped = false
    private var connection: SQLiteConnection?

    private init(_ connection: SQLiteConnection, _ patience: Duration) {
        self.patience = patience
        self.connection = connection
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    /// Starts the thread, which owns `connection` from here on. `patience` is how long a job may wait for its turn.
    static func start(_ connection: sending SQLiteConnection, patience: Duration) throws(StoreError) -> SQLiteThread {
        let thread = SQLiteThread(connection, patience)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // Signals are the main thread's business.
        var all = sigset_t()
        var former = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &former)
        defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
        var handle = pthread_t()
        let retained = Unmanaged.passRetained(thread)
        let code = pthread_create(&handle, &attributes, { argument in
            if let argument { Unmanaged<SQLiteThread>.fromOpaque(argument).takeRetainedValue().work() }
            return nil
        }, retained.toOpaque())
        guard code == 0 else {
            retained.release()
            throw StoreError(.io, "no thread for the store: \(String(cString: strerror(code)))")
        }
        return thread
    }

    /// Jobs not yet taken up.
    var queuedCount: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return jobs.count
    }

    /// Queues a job; after `stop` it is answered `.closed` at once.
    func submit(_ job: SQLiteJob) {
        pthread_mutex_lock(mutex)
        let isRefused = isStopping
        let isUnwatched = !isRefused && !isWatched
        if !isRefused {
            isWatched = true
            jobs.append(job)
            pthread_cond_signal(condition)
        }
        pthread_mutex_unlock(mutex)
        if isRefused { job.finish(StoreError(.closed, "the store is closed")) }
        if isUnwatched { Task { await watchQueue() } }
    }

    /// Lets the thread finish what is queued, close the database and end. Does not wait.
    func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Like `stop`, and waits until the database is closed.
    func stopAndWait() async {
        await withCheckedContinuation { continuation in
            pthread_mutex_lock(mutex)
            let isOver = isStopped
            if !isOver {
                isStopping = true
                stopContinuations.append(continuation)
                pthread_cond_signal(condition)
            }
            pthread_mutex_unlock(mutex)
            if isOver { continuation.resume() }
        }
    }

    // The thread.

    private func work() {
        if let connection {
            while let batch = nextBatch() { process(batch, connection) }
        }
        connection = nil  // The last reference: this closes the database, before anybody is told so.
        pthread_mutex_lock(mutex)
        isStopped = true
        let waiting = stopContinuations
        stopContinuations = []
        pthread_mutex_unlock(mutex)
        for continuation in waiting { continuation.resume() }
    }

    /// Waits for jobs; nil when there are none left and the store is stopping.
    private func nextBatch() -> [SQLiteJob]? {
        pthread_mutex_lock(mutex)
        while jobs.isEmpty && !isStopping { pthread_cond_wait(condition, mutex) }
        let batch = Array(jobs.prefix(Self.batchCount))
        jobs.removeFirst(batch.count)
        pthread_mutex_unlock(mutex)
        return batch.isEmpty ? nil : batch
    }

    private func process(_ batch: [SQLiteJob], _ connection: SQLiteConnection) {
        let firstWrite = batch.firstIndex { $0.isWrite } ?? batch.endIndex
        for job in batch[..<firstWrite] { read(job, connection) }
        if firstWrite < batch.endIndex { commitTogether(batch[firstWrite...], connection) }
    }

    private func read(_ job: SQLiteJob, _ connection: SQLiteConnection) {
        do {
            try connection.execute("BEGIN")
            try job.perform(connection)
            try connection.execute("COMMIT")
            job.finish(nil)
        } catch {
            rollBack(connection)
            job.finish(error)
        }
    }

    /// Reads queued after a write run in its transaction and are answered after its commit: nobody is told what might be lost.
    private func commitTogether(_ batch: ArraySlice<SQLiteJob>, _ connection: SQLiteConnection) {
        var failures: [StoreError?] = []
        do {
            try connection.execute("BEGIN IMMEDIATE")
        } catch {
            for job in batch { if job.isWrite { job.finish(error) } else { read(job, connection) } }
            return
        }
        do {
            for job in batch { failures.append(try performSaved(job, connection)) }
            try connection.execute("COMMIT")
        } catch {
            rollBack(connection)
            guard batch.count > 1 else {
                for job in batch { job.finish(error) }
                return
            }
            for job in batch { if job.isWrite { commitTogether([job], connection) } else { read(job, connection) } }
            return
        }
        for (job, failure) in zip(batch, failures) { job.finish(failure) }
    }

    /// The job's own failure, with nothing of it left behind; throws when the whole transaction is lost.
    private func performSaved(_ job: SQLiteJob, _ connection: SQLiteConnection) throws(StoreError) -> StoreError? {
        try connection.execute("SAVEPOINT job")
        do {
            try job.perform(connection)
        } catch {
            if connection.isAutocommit { throw error }
            try connection.execute("ROLLBACK TO job; RELEASE job")
            return error
        }
        try connection.execute("RELEASE job")
        return nil
    }

    private func rollBack(_ connection: SQLiteConnection) {
        // SQLite may have rolled back by itself; a failing rollback leaves nothing to be done.
        if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
    }
}

/// One piece of work for the store's thread.
///
/// Made on any thread; then performed and finished on the store's thread only, except for a refused one, which is finished
/// by whoever submitted it. Hence `@unchecked Sendable`.
class SQLiteJob: @unchecked Sendable {
    let isWrite: Bool
    let madeAt = ContinuousClock.now
    init(isWrite: Bool) { self.isWrite = isWrite }
    func perform(_ connection: SQLiteConnection) throws(StoreError) {}
    /// Answers with what `perform` found, or with `failure`.
    func finish(_ failure: StoreError?) {}
}

final class SQLiteQuestion<Answer: Sendable>: SQLiteJob, @unchecked Sendable {
    typealias Body = @Sendable (SQLiteConnection) throws(StoreError) -> Answer
    private let body: Body
    private let continuation: CheckedContinuation<Result<Answer, StoreError>, Never>
    private var answer: Answer?

    init(isWrite: Bool, continuation: CheckedContinuation<Result<Answer, StoreError>, Never>, body: @escaping Body) {
        self.body = body
        self.continuation = continuation
        super.init(isWrite: isWrite)
    }

    override func perform(_ connection: SQLiteConnection) throws(StoreError) { answer = try body(connection) }

    override func finish(_ failure: StoreError?) {
        if let failure {
            continuation.resume(returning: .failure(failure))
        } else if let answer {
            continuation.resume(returning: .success(answer))
        } else {
            continuation.resume(returning: .failure(StoreError(.io, "the job was never performed")))
        }
    }
}
