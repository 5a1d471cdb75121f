// A thread of its own for work that blocks (the disk, somebody else's server), so that neither a loop nor Swift's pool ever does.
//
// `submit`, `stop` and `stopAndWait` from any thread; the worker is touched by the one thread made here, from its first job to its end.
// Every job taken in is worked on exactly once, in order, unless it is withdrawn before its turn. The queue has no ceiling: whoever submits
// bounds what waits.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What a thread does with its jobs; released on that thread, last.
protocol ThreadWorker: AnyObject, SendableMetatype {
    associatedtype Job: Sendable
    /// Most jobs that are handed over together.
    static var batchCount: Int { get }
    /// As `top -H` shows it; at most 15 bytes.
    static var threadName: String { get }
    func work(_ batch: [Job])
}

/// `@unchecked Sendable`: `worker` is touched by its thread only (handed over by pthread_create, which orders memory); everything else
/// that changes is behind `mutex`.
final class WorkerThread<Worker: ThreadWorker>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [Worker.Job] = []
    private var isStopping = false
    private var isOver = false
    private var waitingForEnd: [CheckedContinuation<Void, Never>] = []
    private var worker: Worker?

    private init(_ worker: Worker) {
        self.worker = worker
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

    /// Starts the thread, which owns `worker` from here on. Nil when the system has none to give.
    static func start(_ worker: sending Worker) -> WorkerThread? {
        let thread = WorkerThread(worker)
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
        let body = Unmanaged.passRetained(ThreadBody { thread.run() })
        let code = pthread_create(&handle, &attributes, { argument in
            if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        }, body.toOpaque())
        if code == 0 { return thread }
        body.release()
        return nil
    }

    /// Jobs not yet taken up.
    var queuedCount: Int { locked { jobs.count } }

    /// Queues a job. False after `stop`: it will never be worked on.
    func submit(_ job: Worker.Job) -> Bool {
        locked {
            guard !isStopping else { return false }
            jobs.append(job)
            pthread_cond_signal(condition)
            return true
        }
    }

    /// Takes the first jobs back that no thread has begun. The caller answers for them.
    func withdraw(while mayGo: (Worker.Job) -> Bool) -> [Worker.Job] {
        locked {
            let withdrawn = Array(jobs.prefix(while: mayGo))
            jobs.removeFirst(withdrawn.count)
            return withdrawn
        }
    }

    /// Lets the thread finish what is queued and end. Does not wait.
    func stop() {
        locked {
            isStopping = true
            pthread_cond_signal(condition)
        }
    }

    /// Like `stop`, and waits until the worker is gone.
    func stopAndWait() async {
        await withCheckedContinuation { continuation in
            let isOver = locked {
                if !self.isOver { waitingForEnd.append(continuation) }
                return self.isOver
            }
            stop()
            if isOver { continuation.resume() }
        }
    }

    private func run() {
        ThreadName.set(Worker.threadName)
        while let batch = nextBatch() { worker?.work(batch) }
        worker = nil  // The last reference: what it holds is closed before anybody is told so.
        let waiting = locked {
            isOver = true
            defer { waitingForEnd = [] }
            return waitingForEnd
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits for jobs; nil when there are none left and the thread is to end.
    private func nextBatch() -> [Worker.Job]? {
        locked {
            while jobs.isEmpty && !isStopping { pthread_cond_wait(condition, mutex) }
            let batch = Array(jobs.prefix(Worker.batchCount))
            jobs.removeFirst(batch.count)
            return batch.isEmpty ? nil : batch
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}

/// What pthread's context-free function runs.
private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
