use super::*;

fn parse(text: &str) -> Result<Remote> {
    Remote::with_environment(text, &|_| None)
}

fn header_of<'a>(remote: &'a Remote, name: &str) -> Option<&'a str> {
    remote.headers().iter().find(|(known, _)| known == name).map(|(_, value)| value.to_str().unwrap())
}

#[test]
fn a_host_is_enough() {
    let remote = parse("sc://spark.example.org").unwrap();
    assert_eq!(remote.uri(), "http://spark.example.org:15002");
    assert_eq!((remote.user(), remote.session(), remote.headers().len()), (None, None, 0));
    for text in ["sc://spark.example.org/", "sc://spark.example.org:15002/;", " sc://spark.example.org:15002\n"] {
        assert_eq!(parse(text).unwrap().uri(), remote.uri(), "{text}");
    }
    assert_eq!(parse("sc://[::1]:7077").unwrap().uri(), "http://[::1]:7077");
}

#[test]
fn parameters_are_read_and_others_become_headers() {
    let text = "sc://host:443/;use_ssl=true;token=a%3Bb%3D+;user_id=ana;user_agent=nightly%20run;\
                session_id=00112233-4455-6677-8899-aabbccddeeff;X-Cluster=blue";
    let remote = parse(text).unwrap();
    assert_eq!(remote.uri(), "https://host:443");
    assert_eq!(header_of(&remote, "authorization"), Some("Bearer a;b=+"));
    assert_eq!(header_of(&remote, "x-cluster"), Some("blue"));
    assert_eq!(remote.user(), Some("ana"));
    assert!(remote.agent().starts_with("nightly run entrega/"));
    assert_eq!(remote.session().unwrap().to_string(), "00112233-4455-6677-8899-aabbccddeeff");
}

#[test]
fn the_environment_fills_in_what_is_left_out() {
    let environment = |name: &str| match name {
        TOKEN_VARIABLE => Some("fromenv".to_owned()),
        "SPARK_USER" => Some(String::new()),
        "USER" => Some("ana".to_owned()),
        _ => None,
    };
    let remote = Remote::with_environment("sc://host", &environment).unwrap();
    assert_eq!(header_of(&remote, "authorization"), Some("Bearer fromenv"));
    assert_eq!(remote.user(), Some("ana"));
    assert!(remote.is_encrypted());
    let remote = Remote::with_environment("sc://host/;token=given;user_id=eva", &environment).unwrap();
    assert_eq!(header_of(&remote, "authorization"), Some("Bearer given"));
    assert_eq!(remote.user(), Some("eva"));
}

#[test]
fn a_token_never_leaves_the_machine_in_clear() {
    for host in ["host", "10.0.0.1", "128.0.0.1", "[2001:db8::1]", "localhost.example.org", "0.0.0.0"] {
        assert!(parse(&format!("sc://{host}/;token=t")).unwrap().is_encrypted(), "{host}");
        assert!(parse(&format!("sc://{host}/;authorization=t")).unwrap().is_encrypted(), "{host}");
        assert!(parse(&format!("sc://{host}/;token=t;use_ssl=false")).is_err(), "{host}");
        assert!(!parse(&format!("sc://{host}/;use_ssl=false")).unwrap().is_encrypted(), "{host}");
    }
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "[::1]"] {
        assert!(!parse(&format!("sc://{host}/;token=t")).unwrap().is_encrypted(), "{host}");
        assert!(parse(&format!("sc://{host}/;token=t;use_ssl=TRUE")).unwrap().is_encrypted(), "{host}");
    }
}

#[test]
fn what_is_shown_holds_no_secret() {
    let remote = parse("sc://host/;token=geheim;x-key=geheim").unwrap();
    assert!(!format!("{remote} {remote:?} {remote:#?} {:?}", remote.headers()).contains("geheim"));
}

#[test]
fn errors_say_what_to_do_and_hold_no_secret() {
    for (text, problem) in [
        ("", "does not begin with sc://"),
        ("geheim.example.org:15002", "does not begin with sc://"),
        ("sc://", "no host"),
        ("sc:///;token=geheim", "no host"),
        ("sc://host:15002;token=geheim", "port"),
        ("sc://host:70000", "port"),
        ("sc://ana:geheim@host", "user before the host"),
        ("sc://host/geheim", "path"),
        ("sc://host/;geheim", "parameter 1 is not"),
        ("sc://host/;user_id=a;=geheim", "parameter 2 is not"),
        ("sc://host/;token=a?geheim", "'?'"),
        ("sc://host/;token=a#geheim", "'#'"),
        ("sc://host/;token=", "token is empty"),
        ("sc://host/;token=geheim;token=b", "token is given twice"),
        ("sc://host/;token=geheim%0A", "authorization cannot be a header"),
        ("sc://host/;token=%FFgeheim", "token is not UTF-8"),
        ("sc://host/;token=geheim;authorization=geheim", "both"),
        ("sc://host/;use_ssl=geheim", "neither true nor false"),
        ("sc://host/;session_id=geheim", "not a UUID"),
        ("sc://host/;x(y=geheim", "cannot be the name of a header"),
        ("sc://host/;x-bin=geheim", "cannot be the name of a header"),
        ("sc://host/;token=geheim;use_ssl=false", "in clear"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, ConnectError::Address { .. }), "{text}");
        let shown = error.to_string();
        assert!(shown.contains(problem) && shown.contains("\nhint: "), "{text}: {shown}");
        assert!(!format!("{shown} {error:?}").contains("geheim"), "{text}: {shown}");
    }
    let long = format!("sc://host/;user_agent={}", "x".repeat(3000));
    assert!(parse(&long).unwrap_err().to_string().contains("2048"));
}
