//! More commands: those that have to do with files and sockets in many ways.

use crate::oracle::case::{Case, run, script};

const TREE: &str =
    "mkdir -p tree/a/b tree/c; seq 1 500 > tree/a/numbers; printf 'one\\ntwo\\n' > tree/c/words
    ln -s ../a/numbers tree/c/link; cp tree/c/words words";

/// `PORT` is where a web server of ours waits, `REDIS` where a database does, if this machine has one.
pub(super) const MORE: &[Case] = &[
    run("find /etc -maxdepth 2"),
    script(
        "sh -c",
        "export GIT_AUTHOR_DATE='2001-01-01 00:00:00 +0000' GIT_COMMITTER_DATE='2001-01-01 00:00:00 +0000'
        git init -q r && cd r && seq 10 > n && git add n && git status --short
        git -c user.name=n -c user.email=e@example.org commit -qm first; git log --oneline; git mv n m; git rm -q --cached m",
    ),
    script("/usr/bin/python3 -c", "import json, sqlite3, http.client, asyncio, ssl, ctypes, xml.dom"),
    script("sqlite3 d.db", "create table t(a); insert into t values(1); select * from t"),
    run("curl -s http://127.0.0.1:PORT/ -o got"),
    run("curl -s http://localhost:PORT/ -o got"),
    run("curl -s http://127.0.0.1:1/").exits(7),
    run("redis-cli -p REDIS ping"),
    run("ss -tln"),
    run("ip route"),
    run("getent ahosts localhost"),
    script(
        "bash -c",
        "cat < words > out; cat words >> out; echo x >&2; exec 3<>both; echo y >&3; cat <<< here | sort | uniq > u
        : > empty; (cd tree/a && cat numbers > /dev/null); mkfifo f; (echo z > f &); cat f; set -C; echo n > words; true",
    )
    .setup(TREE),
    script(
        "bash -c",
        "cd tree; cd c; cat link; cd ..; cat c/words; pushd a; cat numbers; popd; rm -rf a; test -d a; [ -e c ]
        cat nofile; cd nodir; ./nofile; /bin/nofile; c/words; test -e /dev/stdin; cat /dev/stdin; true",
    )
    .setup(TREE),
    script(
        "sh -c",
        "mv words w2; mv tree t2; cat t2/c/words; ln w2 w3; ln -s w2 w4; chmod 600 w2; chown 1:1 w2
        touch -d 2001-01-01 w3; touch -h w4; rm w4; mkdir -p a/b/c; rmdir a/b/c; mkfifo p; mknod n c 1 3
        truncate -s 3 w2; cp -a t2 t3; stat w2 t2; readlink t2/c/link; realpath t2/c/link; unlink w3
        install -D w2 x/y/z; true",
    )
    .setup(TREE),
    run("cp -a tree copy").setup(TREE),
    script(
        "perl -MFile::Find -MIO::Socket -e",
        "find(sub { print }, 'tree'); open F, '>o'; print F 1; close F; unlink 'o';
        my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 18099);
        my $c = IO::Socket::INET->new('127.0.0.1:18099');
        my $u = IO::Socket::INET->new(Proto => 'udp'); send($u, 'x', 0, sockaddr_in(18098, inet_aton('127.0.0.1')));",
    )
    .setup(TREE),
    script(
        "node -e",
        "const fs = require('fs'); fs.mkdirSync('d'); fs.writeFileSync('d/f', 'x'); fs.appendFileSync('d/f', 'y');
        fs.renameSync('d/f', 'd/g'); fs.statSync('d/g'); fs.readdirSync('d'); fs.unlinkSync('d/g'); fs.rmdirSync('d');
        fs.symlinkSync('q', 'l'); try { fs.readFileSync('l') } catch (e) {}",
    ),
    script(
        "/usr/bin/python3 -c",
        "import os, socket
os.mkdir('d'); fd = os.open('d', os.O_RDONLY); os.open('f', os.O_CREAT | os.O_WRONLY, dir_fd=fd)
os.rename('f', 'g', src_dir_fd=fd, dst_dir_fd=fd); os.chdir(fd); os.open('g', os.O_RDONLY); os.stat('../d/g')
os.symlink('g', 'l'); os.open('l', os.O_RDWR | os.O_APPEND); os.link('g', 'h', src_dir_fd=fd, dst_dir_fd=fd)
os.chmod('h', 0o600); os.utime('h'); os.truncate('h', 3); os.unlink('h', dir_fd=fd)
os.open('.', os.O_TMPFILE | os.O_RDWR); m = os.memfd_create('x'); os.ftruncate(m, 4096)
os.open('/proc/self/fd/%d' % m, os.O_RDONLY); os.ftruncate(os.open('g', os.O_RDWR), 3)
for family, kind, address in (
    (socket.AF_UNIX, socket.SOCK_STREAM, 'sock'), (socket.AF_UNIX, socket.SOCK_DGRAM, '\\0abstract'),
    (socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 18090)),
    (socket.AF_INET6, socket.SOCK_STREAM, ('::1', 18091)),
    (socket.AF_INET6, socket.SOCK_DGRAM, ('::ffff:127.0.0.1', 18093)),
):
    s = socket.socket(family, kind); s.bind(address); c = socket.socket(family, kind)
    if kind == socket.SOCK_STREAM: s.listen()
    c.connect(address)
    if kind == socket.SOCK_DGRAM:
        c = socket.socket(family, kind); c.sendto(b'x', address); c.sendmsg([b'y'], [], 0, address)
for where in (('127.0.0.1', 9), 'none'):
    c = socket.socket(socket.AF_UNIX if where == 'none' else socket.AF_INET)
    c.setblocking(where != 'none')
    try: c.connect(where)
    except OSError: pass
",
    ),
    script("sh -c", "tar -cf - tree | tar -tf -; mkdir x; cd x; tar -xf ../tree.tar; gzip -k tree/a/numbers")
        .setup("mkdir -p tree/a; seq 1 500 > tree/a/numbers; tar -cf tree.tar tree"),
    script(
        "sh -c",
        "printf '#!/bin/sh\\necho s\\n' > s; chmod +x s; ./s; printf \"#!$PWD/s\\n\" > s2; chmod +x s2; ./s2
        PATH=$PWD:$PATH s; printf '#!/none\\n' > s3; chmod +x s3; ./s3; printf 'echo x\\n' > s4; chmod +x s4; ./s4
        ln -s s2 s5; ./s5; ./words; ./tree; true",
    )
    .setup(TREE),
    run("env -C tree cat c/words").setup(TREE),
    run("xargs -a words -n 1 echo").setup(TREE),
    script("sh -c", "zip -qr z.zip tree; mkdir x; cd x; unzip -q ../z.zip").setup(TREE),
    run("ssh -o BatchMode=yes -p 1 127.0.0.1").exits(255),
    run("logger hi"),
    run("setpriv --reuid 65534 --clear-groups cat /etc/shadow").exits(1),
];

/// Commands of the other oracle that are not compared, and why.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("git -c user.name=n", "the names of its files are made of the time"),
    ("crun --version", "it executes itself from a mount of its own, which strace calls /"),
];

/// Names that are drawn: a `?` stands for a letter or digit.
pub(super) const DRAWN: &[&str] = &[
    "tmp.??????????",
    "sed??????",
    "words.o??????",
    "zi??????",
    "tcl_??????",
    "t??????",
    "tmp_obj_??????",
    "cc??????",
    "cc??????.o",
    "cc??????.cdtor.c",
    "cc??????.cdtor.o",
    "cc??????.s",
    "cc??????.res",
    "cc??????.le",
    "cc??????.ld",
    "Cu??????",
    "runc.????????",
    "fileutl.message.??????",
    "ed.??????",
    "vi??????",
];
