//! The rules and requests, in words of neither engine.

/// On what a rule is.
#[derive(Clone, Debug)]
pub(crate) enum On {
    /// A topic level and everything below it.
    Tree(String),
    /// Every topic that is matched by a pattern which ends in `*`.
    Pattern(String),
    /// Everything of the instance.
    Instance,
}

/// One statement.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) deny: bool,
    pub(crate) actions: &'static [&'static str],
    pub(crate) on: On,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) action: &'static str,
    pub(crate) topic: String,
}

pub(crate) const INSTANCE: &str = "post-cn-09k1noy0001";
const BOTH: &[&str] = &["mq:PUB", "mq:SUB"];
const PUBLISH: &[&str] = &["mq:PUB"];
const SUBSCRIBE: &[&str] = &["mq:SUB"];

/// The rules of a plant: each line may be published to, read or both; one in five is a Deny below a line, one in eight a
/// pattern.
pub(crate) fn rules(statements: usize) -> Vec<Rule> {
    let rule = |n: usize| {
        let line = format!("plant_{}/line_{}", n / 10, n % 10);
        let actions = [BOTH, PUBLISH, SUBSCRIBE][n % 3];
        match n {
            0 => Rule { deny: false, actions: PUBLISH, on: On::Tree("plant_0/line_0".into()) },
            _ if n % 40 == 39 => Rule { deny: true, actions: SUBSCRIBE, on: On::Instance },
            _ if n % 8 == 5 => Rule { deny: false, actions, on: On::Pattern(format!("plant_{}/line_*/state/*", n / 10)) },
            _ if n % 5 == 4 => Rule { deny: true, actions, on: On::Tree(line + "/secret") },
            _ => Rule { deny: false, actions, on: On::Tree(line) },
        }
    };
    (0..statements).map(rule).collect()
}

/// 1,000 requests on the topics of those rules and beside them.
pub(crate) fn requests(statements: usize) -> Vec<Asked> {
    let asked = |n: usize| {
        let rule = n * 13 % (statements + statements / 4 + 1);
        let leaf = ["temperature", "state/on", "secret/key", "a/b/c"][n % 4];
        // A single rule would be missed by nearly all.
        let line = if statements == 1 { n % 2 } else { rule % 10 };
        Asked { action: BOTH[usize::from(n % 3 == 2)], topic: format!("plant_{}/line_{line}/{leaf}", rule / 10) }
    };
    (0..1_000).map(asked).collect()
}
