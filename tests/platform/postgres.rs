//! A PostgreSQL of a test's own: a fresh cluster in a folder of its own on a free port of this machine.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// The cluster; stopped and deleted when it is dropped.
pub struct Postgres {
    bin: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    /// PostgreSQL refuses to run as root: then it runs as the user that Debian's package makes for it.
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let is_root = id(&["-u"]) == Some(0);
        let user = is_root.then(|| id(&["-u", "postgres"]).zip(id(&["-g", "postgres"])).expect("a user `postgres`"));
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let cluster = Self { bin: binaries(), folder, port, user };
        let data = cluster.data();
        cluster.run("initdb", &["-D", &data, "-U", "tidewater", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        let options = format!("-p {port} -k {} -c listen_addresses=127.0.0.1", cluster.folder.path().display());
        let log = cluster.folder.path().join("log").display().to_string();
        cluster.run("pg_ctl", &["-D", &data, "-o", &options, "-l", &log, "-w", "start"]);
        cluster
    }

    /// The address of its one database.
    pub fn url(&self) -> String {
        format!("postgres://tidewater@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it, whatever it is doing for whom, and starts it again.
    pub fn restart(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "fast", "-w", "restart"]);
    }

    /// Lets none of its processes run for so long: the address answers nothing, and is not refused.
    pub fn stand_still(&self, long: std::time::Duration) {
        let file = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let server = file.lines().next().unwrap().trim().to_owned();
        let signal = |name: &str, processes: &[String]| {
            // One that ended meanwhile cannot be told.
            Command::new("kill").arg(name).args(processes).stderr(Stdio::null()).status().unwrap();
        };
        signal("-STOP", std::slice::from_ref(&server));
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        let all: Vec<String> = children.split_whitespace().map(str::to_owned).chain([server]).collect();
        assert!(all.len() > 1, "it has processes that serve");
        signal("-STOP", &all);
        std::thread::sleep(long);
        signal("-CONT", &all);
    }

    /// Makes another database of a dump of the first. Gives its address.
    pub fn copy(&self, name: &str) -> String {
        self.run("createdb", &["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "tidewater", name]);
        self.dump();
        self.read_dump(name);
        let base = self.url();
        let (server, _) = base.rsplit_once('/').expect("an address with a database");
        format!("{server}/{name}")
    }

    /// Puts the last dump in the place of what it was taken of.
    pub fn restore_over(&self) {
        self.psql("postgres", &["-c", "DROP SCHEMA public CASCADE", "-c", "CREATE SCHEMA public"]);
        self.read_dump("postgres");
    }

    fn dump(&self) {
        let (port, file) = (self.port.to_string(), self.dump_file());
        self.run("pg_dump", &["-h", "127.0.0.1", "-p", &port, "-U", "tidewater", "-f", &file, "postgres"]);
    }

    fn read_dump(&self, name: &str) {
        self.psql(name, &["-f", &self.dump_file()]);
    }

    fn psql(&self, name: &str, what: &[&str]) {
        let port = self.port.to_string();
        let whom = ["-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port, "-U", "tidewater", "-d", name];
        self.run("psql", &[&whom, what].concat());
    }

    fn dump_file(&self) -> String {
        self.folder.path().join("dump.sql").display().to_string()
    }

    /// All rows of all tables of its one database, as texts; what is binary in hexadecimal.
    pub async fn rows(&self) -> Vec<String> {
        let database = sea_orm::Database::connect(self.url()).await.unwrap();
        let ask = async |sql: String| -> Vec<String> {
            let rows = database.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
            rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
        };
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'".to_owned();
        let mut all = Vec::new();
        for table in ask(tables).await {
            let rows = ask(format!("SELECT one::text FROM \"{table}\" one")).await;
            all.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        database.close().await.unwrap();
        all
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn run(&self, tool: &str, arguments: &[&str]) {
        // Tools that only ask a server may be elsewhere.
        let own = self.bin.join(tool);
        let mut command = Command::new(if own.exists() { own } else { PathBuf::from(tool) });
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        // The server would keep pipes open for ever.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        let status = command.status().unwrap();
        assert!(status.success(), "{tool} {arguments:?}: {status}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Where the newest server's tools are: Debian keeps each version in a folder of its own, off the path.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin")).filter(|bin| has_server(bin)).collect();
    found.sort();
    found.extend(std::env::var_os("PATH").into_iter().flat_map(|path| {
        let folders: Vec<PathBuf> = std::env::split_paths(&path).filter(|bin| has_server(bin)).collect();
        folders
    }));
    found.pop().expect("PostgreSQL's server is missing: apt-get install postgresql")
}

fn has_server(bin: &Path) -> bool {
    bin.join("initdb").exists() && bin.join("pg_ctl").exists()
}
