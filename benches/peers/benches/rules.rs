//! Two typical rules on the traits of a customer, in Tidewater, by hand, and in general expression engines. Every engine
//! has its expression compiled and its variables built before; only the evaluation is timed.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};

use tidewater::lang::Rules;
use tidewater::lang::decide::Slots;
use tidewater::lang::eval::{View, holds};
use tidewater::lang::rules::{AggregateIndex, Condition, TraitIndex};
use tidewater::lang::window::Calendar;
use tidewater::model::value::ValueMap;
use tidewater::model::{Timestamp, Value};
use tidewater::workspace::load::compile;

const RULES: &str = "trait country: text
trait spend: number
trait plan: text
trait visits: number
trait email: text
segment first = country in (\"US\", \"GB\") and spend > 500 and plan is \"pro\" and visits >= 3
segment second = plan is not \"free\" and (country is \"DE\" or visits > 10) and email is set
";

/// The same rules as the engines write them.
const CEL: [&str; 2] = [
    "country in ['US', 'GB'] && spend > 500.0 && plan == 'pro' && visits >= 3.0",
    "plan != 'free' && (country == 'DE' || visits > 10.0) && email != null",
];
const ZEN: [&str; 2] = [
    "country in ['US', 'GB'] and spend > 500 and plan == 'pro' and visits >= 3",
    "plan != 'free' and (country == 'DE' or visits > 10) and email != null",
];
const RHAI: [&str; 2] = [
    "(country == \"US\" || country == \"GB\") && spend > 500.0 && plan == \"pro\" && visits >= 3.0",
    "plan != \"free\" && (country == \"DE\" || visits > 10.0) && email != ()",
];

/// A customer who is in both segments: every comparison is made.
fn traits() -> ValueMap {
    let text = |text: &str| Value::from(text);
    [
        ("country", text("GB")),
        ("spend", Value::Number(700.0)),
        ("plan", text("pro")),
        ("visits", Value::Number(14.0)),
        ("email", text("ada@example.com")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

struct Customer<'r> {
    rules: &'r Rules,
    traits: ValueMap,
}

impl View for Customer<'_> {
    fn rules(&self) -> &Rules {
        self.rules
    }
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    fn answers(&self, condition: &Condition) -> bool {
        holds(condition, self)
    }
    fn calendar(&self) -> Calendar {
        Calendar::default()
    }
    fn trait_value(&self, index: TraitIndex) -> Option<&Value> {
        self.traits.get(&self.rules.traits[index.at()].name)
    }
    fn aggregate(&self, _: AggregateIndex) -> Option<Value> {
        None
    }
}

fn ours(group: &mut BenchmarkGroup<'_, WallTime>, rules: &Rules, which: usize) {
    let customer = Customer { rules, traits: traits() };
    let slots = Slots::of(&customer.traits, rules);
    let segment = &rules.segments[which];
    assert!(segment.decider.holds(&slots, &customer) && holds(&segment.condition, &customer));
    group.bench_function("tidewater", |bench| bench.iter(|| segment.decider.holds(black_box(&slots), &customer)));
    group.bench_function("tidewater, the tree over a map of names", |bench| {
        bench.iter(|| holds(black_box(&segment.condition), &customer));
    });
}

/// What a person would write for one rule, knowing where everything lies.
struct ByHand {
    country: u32,
    spend: f64,
    plan: u32,
    visits: f64,
    has_email: bool,
}

fn by_hand(group: &mut BenchmarkGroup<'_, WallTime>, which: usize) {
    let customer = ByHand { country: 1, spend: 700.0, plan: 2, visits: 14.0, has_email: true };
    let rule: fn(&ByHand) -> bool = match which {
        0 => |it| matches!(it.country, 0 | 1) && it.spend > 500.0 && it.plan == 2 && it.visits >= 3.0,
        _ => |it| it.plan != 5 && (it.country == 7 || it.visits > 10.0) && it.has_email,
    };
    assert!(rule(&customer));
    group.bench_function("by hand over a struct", |bench| bench.iter(|| black_box(rule)(black_box(&customer))));
    let traits = traits();
    let text = |name: &str| traits.get(name).and_then(Value::as_text);
    let number = |name: &str| traits.get(name).and_then(Value::as_number);
    group.bench_function("by hand over a map of names", |bench| {
        bench.iter(|| match which {
            0 => {
                matches!(text(black_box("country")), Some("US" | "GB"))
                    && number("spend").is_some_and(|it| it > 500.0)
                    && text("plan") == Some("pro")
                    && number("visits").is_some_and(|it| it >= 3.0)
            }
            _ => {
                text(black_box("plan")).is_some_and(|it| it != "free")
                    && (text("country") == Some("DE") || number("visits").is_some_and(|it| it > 10.0))
                    && text("email").is_some()
            }
        });
    });
}

fn cel(group: &mut BenchmarkGroup<'_, WallTime>, which: usize) {
    let program = cel::Program::compile(CEL[which]).expect("CEL reads its rule");
    let mut context = cel::Context::default();
    for (name, value) in traits() {
        let added = match value {
            Value::Number(number) => context.add_variable(name, number),
            value => context.add_variable(name, value.to_string()),
        };
        added.expect("CEL takes the variable");
    }
    assert_eq!(program.execute(&context), Ok(cel::Value::Bool(true)));
    group.bench_function("CEL (cel)", |bench| bench.iter(|| program.execute(black_box(&context))));
}

fn zen(group: &mut BenchmarkGroup<'_, WallTime>, which: usize) {
    let expression = zen_expression::compile_expression(ZEN[which]).expect("ZEN reads its rule");
    let json = serde_json::to_value(traits()).expect("traits have a JSON form");
    let variables = zen_expression::Variable::from(json);
    assert_eq!(expression.evaluate(variables.shallow_clone()).ok(), Some(zen_expression::Variable::Bool(true)));
    group.bench_function("ZEN (zen-expression)", |bench| {
        bench.iter(|| expression.evaluate(black_box(&variables).shallow_clone()));
    });
}

fn rhai(group: &mut BenchmarkGroup<'_, WallTime>, which: usize) {
    let engine = rhai::Engine::new();
    let rule = engine.compile_expression(RHAI[which]).expect("Rhai reads its rule");
    let mut scope = rhai::Scope::new();
    for (name, value) in traits() {
        match value {
            Value::Number(number) => scope.push(name, number),
            value => scope.push(name, value.to_string()),
        };
    }
    assert!(engine.eval_ast_with_scope::<bool>(&mut scope, &rule).expect("Rhai decides"));
    group.bench_function("Rhai", |bench| {
        bench.iter(|| engine.eval_ast_with_scope::<bool>(black_box(&mut scope), &rule));
    });
}

fn rules(criterion: &mut Criterion) {
    let files = vec![
        ("rules/r.tide".to_owned(), RULES.to_owned()),
        ("tidewater.yaml".to_owned(), "sources: { s: key }\n".to_owned()),
    ];
    let program = compile(files, &|_| None).program.expect("the rules compile");
    for (which, name) in ["four comparisons", "a choice within"].into_iter().enumerate() {
        let mut group = criterion.benchmark_group(name);
        ours(&mut group, &program.rules, which);
        by_hand(&mut group, which);
        cel(&mut group, which);
        zen(&mut group, which);
        rhai(&mut group, which);
        group.finish();
    }
}

criterion_group!(all, rules);
criterion_main!(all);
