//! Every check by name, written once: [`checks`](super::checks) and the tests that
//! [`conformance_tests!`](crate::conformance_tests) makes are both made from it.

/// Hands the list to another macro. A chapter is a file; in brackets is what of
/// [`Can`](crate::conformance::Can) a rule needs.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_checks {
    ([$($make:tt)*] $($with:tt)*) => {
        $($make)*! {
            { $($with)* }
            pushing {
                answers_come_in_order []
                an_empty_push_adds_nothing []
                a_pushed_job_outlives_the_handle_that_pushed_it []
                every_field_comes_back []
                a_payload_of_a_mebibyte_comes_back_byte_for_byte []
                names_may_have_255_bytes_of_any_text []
                the_same_uuid_pushed_twice_adds_once [know_uuids]
                the_same_uuid_twice_in_one_push_adds_once [know_uuids]
                a_push_of_some_that_are_there_adds_the_others [know_uuids]
                the_uuid_of_a_held_job_adds_nothing [know_uuids]
                the_uuid_of_a_job_that_is_done_can_be_pushed_again []
                ids_are_never_used_again []
            }
            unique_keys {
                a_key_is_taken_while_its_job_waits [unique_keys]
                a_key_is_taken_while_its_job_is_delayed [unique_keys]
                a_key_is_taken_while_its_job_is_held [unique_keys]
                a_key_is_taken_while_its_job_waits_for_a_retry [unique_keys]
                of_two_equal_keys_in_one_push_the_second_is_a_duplicate [unique_keys]
                a_job_is_no_duplicate_of_itself [unique_keys know_uuids]
                a_key_is_free_when_its_job_is_done [unique_keys]
                a_key_is_free_when_its_job_is_buried [unique_keys bury]
                a_key_is_free_when_its_job_is_cleared [unique_keys]
                keys_that_differ_by_case_or_spaces_are_different [unique_keys]
                the_newest_takes_the_place_of_the_one_that_waits [unique_keys replace]
                one_that_was_tried_is_replaced_with_no_attempt_used [unique_keys replace]
                one_that_is_pushed_again_does_not_replace_itself [unique_keys replace]
                one_that_is_held_is_not_replaced [unique_keys replace]
                a_replacement_is_due_when_it_says [unique_keys replace]
                a_key_until_the_start_is_taken_while_its_job_waits [unique_keys replace]
                a_key_until_the_start_is_free_once_its_job_is_handed_out [unique_keys replace]
                a_key_that_was_let_go_stays_with_its_next_job [unique_keys replace]
            }
            order {
                no_more_is_taken_than_was_asked_for []
                the_limit_holds_across_queues_and_priorities []
                nothing_is_taken_when_nothing_fresh_is_wanted []
                nothing_is_taken_where_no_queue_is_named []
                a_queue_that_is_not_asked_for_is_left_alone []
                queues_that_differ_by_case_or_spaces_are_different []
                queues_are_taken_from_in_the_order_asked_for [strict_order]
                a_higher_priority_goes_first [priorities strict_order]
                what_was_due_first_goes_first [strict_order]
                jobs_of_one_push_keep_their_order [strict_order]
                a_retried_job_goes_behind_what_waits [strict_order]
            }
            delays {
                a_delayed_job_is_not_taken_before_its_time []
                a_taken_job_says_how_long_it_was_due []
                a_retry_waits_as_long_as_it_was_told []
                a_retry_may_wait_for_a_hundred_years []
                a_job_given_back_with_a_delay_waits []
                a_delayed_job_does_not_hide_one_that_is_due []
                next_due_tells_when_a_delayed_job_comes [next_due]
                next_due_leaves_out_what_was_not_looked_for [next_due]
            }
            attempts {
                the_take_counts_the_attempt []
                an_uncounted_retry_takes_the_attempt_back []
                the_last_error_comes_back [last_errors]
                an_exhausted_job_comes_back_over_its_limit []
                a_job_given_back_unstarted_has_its_attempt_back []
                a_job_given_back_without_a_delay_keeps_its_place [strict_order]
                a_job_with_an_unknown_name_has_its_attempt_back []
                it_is_remembered_since_when_a_name_is_unknown []
                a_job_that_ran_was_not_unknown []
            }
            exclusive {
                a_held_job_is_given_to_nobody_else []
                each_job_is_taken_exactly_once_by_many_threads []
                every_reservation_has_a_receipt_of_its_own []
                a_hold_outlives_the_handle_that_took_it [leases]
                a_hold_is_good_with_another_handle [shared_receipts]
                held_until_is_a_lease_after_the_moment_before_the_take [leases]
            }
            settling {
                a_job_that_is_done_is_gone []
                what_is_settled_twice_is_lost_the_second_time []
                a_lost_hold_does_not_keep_its_neighbours_from_being_settled []
                settling_and_extending_nothing_changes_nothing []
                settle_and_reserve_does_the_one_and_then_the_other []
                settle_and_reserve_tells_what_was_lost []
            }
            leases {
                a_held_job_is_not_taken_before_its_lease_is_over [leases]
                an_extend_renews_the_hold [leases]
                an_extend_of_nothing_goes_well []
                an_extended_hold_ends_with_the_new_lease [leases]
                an_expired_hold_that_nobody_took_can_be_renewed [leases]
                an_expired_hold_that_nobody_took_can_be_settled [leases]
                an_expired_hold_does_not_become_clean [leases]
                next_due_tells_when_a_hold_ends [leases next_due]
            }
            suspects {
                a_lost_job_comes_back_as_a_suspect_with_its_attempt_unchanged []
                a_suspect_that_is_lost_again_is_charged []
                a_suspect_that_was_taken_uncharged_is_not_charged_when_it_is_lost []
                a_suspect_that_was_lost_uncharged_is_left_for_a_worker_that_runs_it_alone []
                a_suspect_that_was_charged_is_left_for_a_worker_that_runs_it_alone []
                suspects_are_not_taken_where_they_are_ignored []
                a_look_tells_of_suspects_and_takes_none []
                no_more_suspects_are_taken_than_asked_for []
                suspects_do_not_count_as_fresh []
                suspects_of_other_queues_are_left_alone []
                a_suspect_given_back_unstarted_stays_one []
                a_suspect_with_an_unknown_name_stays_one []
                a_suspect_that_was_taken_uncharged_and_given_back_is_as_it_was []
                a_suspect_given_back_with_a_delay_waits []
                a_suspect_that_ran_and_survived_is_clean []
                a_suspect_that_is_done_is_gone []
            }
            late {
                a_late_done_removes_nothing []
                a_late_again_puts_nothing_back []
                a_late_unknown_puts_nothing_back []
                a_late_unstarted_puts_nothing_back []
                a_late_bury_buries_nothing [bury]
                a_late_extend_is_lost []
                an_extend_tells_the_lost_from_the_good []
            }
            hostile {
                jobs_that_cannot_be_read_are_handed_out_once_beside_their_neighbours [hold_unreadable]
                a_job_that_cannot_be_read_is_settled_as_any_other [hold_unreadable]
                jobs_that_cannot_be_read_are_buried_each_with_its_reason [hold_unreadable bury]
                a_push_that_nobody_can_read_is_kept_or_refused_and_harms_no_other []
                an_error_of_any_text_and_length_keeps_nobody_from_being_settled []
                a_refused_settle_is_answered_and_its_neighbours_are_settled [refuse_changes]
                a_refused_extend_is_answered_and_its_neighbours_are_renewed [refuse_changes]
                a_job_that_cannot_be_taken_is_told_of_and_hides_no_other [refuse_changes]
            }
            large {
                many_large_jobs_are_pushed_taken_and_settled_together []
                many_large_jobs_are_buried_together [bury]
                one_take_of_large_jobs_is_bounded_by_their_bytes [bound_bytes]
            }
            sizes {
                what_waits_what_is_delayed_and_what_is_held_are_counted [sizes]
                the_oldest_wait_is_that_of_the_first_in_line [sizes]
                a_queue_that_has_no_jobs_has_zeros [sizes]
                only_the_named_queues_are_answered [sizes]
                where_none_is_named_all_queues_with_jobs_are_answered [sizes]
                a_count_stops_at_its_bound_or_is_exact [sizes]
            }
            inspecting {
                jobs_are_shown_by_id_with_what_they_do [inspect]
                a_filter_shows_what_it_names [inspect]
                names_and_queues_that_differ_by_case_or_spaces_are_told_apart [inspect]
                pages_follow_each_other [inspect]
                a_job_is_shown_with_its_payload_by_its_id_and_its_uuid [inspect unique_keys]
                what_is_shown_can_be_taken_as_before [inspect]
                a_cancelled_job_is_gone [inspect]
                a_held_job_is_not_cancelled [inspect]
                a_key_is_free_when_its_job_is_cancelled [inspect unique_keys]
            }
            clearing {
                what_waits_is_removed_and_counted []
                what_is_delayed_is_removed_and_counted [sizes]
                a_held_job_stays []
                other_queues_are_left_alone []
                a_queue_can_be_used_after_it_was_cleared []
            }
            notifiers {
                a_job_is_found_though_no_bell_told_of_it []
                a_bell_is_heard_at_most_once_for_each_time_somebody_listens []
            }
            control {
                a_queue_that_nobody_paused_is_not_paused [control]
                a_paused_queue_is_told_until_it_is_resumed [control]
                what_is_told_twice_is_not_new [control]
                queues_that_differ_by_case_or_spaces_are_paused_by_themselves [control]
                each_restart_has_a_number_of_its_own [control]
                a_pause_changes_nothing_for_the_jobs [control]
            }
            burying {
                the_driver_says_that_it_buries [bury]
                a_buried_job_is_gone_and_lies_with_the_failed_jobs [bury]
                jobs_are_buried_beside_others_that_are_settled [bury]
                a_job_that_dies_again_during_its_retry_is_not_forgotten [bury]
                a_burial_that_is_told_twice_is_buried_once [bury]
                many_are_buried_at_once_each_with_its_own_error [bury]
                priority_and_unique_key_are_kept [bury]
            }
            failed_jobs {
                a_record_comes_back_as_it_was [failed_jobs]
                a_payload_that_is_no_text_is_kept [failed_jobs]
                a_newer_record_takes_the_place_of_the_older_and_has_an_id_of_its_own [failed_jobs]
                two_jobs_of_one_uuid_are_both_kept [failed_jobs]
                several_are_recorded_at_once [failed_jobs]
                a_withdrawn_record_is_gone [failed_jobs]
                a_list_is_by_id_and_in_pages [failed_jobs]
                a_list_holds_what_every_filter_lets_through [failed_jobs]
                what_is_forgotten_is_gone_and_counted [failed_jobs]
                they_are_counted_by_driver_and_queue [failed_jobs]
            }
            retries {
                a_failed_job_is_marked_for_one_retry_at_a_time [failed_jobs]
                what_is_gone_cannot_be_marked [failed_jobs]
                what_is_still_marked_is_forgotten_and_nothing_else [failed_jobs]
                a_job_that_fails_while_it_is_marked_is_recorded_anew [failed_jobs]
            }
            put_back {
                a_job_that_is_put_back_waits_again_and_has_not_failed [bury]
                what_is_gone_is_not_put_back [bury]
                a_job_whose_key_another_holds_stays_failed [bury]
                a_job_that_is_on_the_queue_already_is_not_added_twice [bury]
            }
        }
    };
}

/// The list as a slice of [`Check`](crate::conformance::Check)s.
macro_rules! conformance_array {
    ({} $($chapter:ident { $($name:ident [$($need:ident)*])* })*) => {
        &[$($(Check {
            chapter: stringify!($chapter),
            name: stringify!($name),
            needs: &[$(|can| can.$need),*],
            run: $chapter::$name,
        },)*)*]
    };
}

/// Makes a test of each rule, `clearing::a_held_job_stays` and so on, that checks it against the
/// [`Subject`](crate::conformance::Subject) that the expression makes. A rule that needs what the subject
/// can't do passes.
///
/// See [`conformance`](crate::conformance) for an example.
#[macro_export]
macro_rules! conformance_tests {
    ($subject:expr) => {
        $crate::conformance_checks! { [$crate::conformance_test_each] $subject }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_test_each {
    ({ $subject:expr } $($chapter:ident { $($name:ident [$($need:ident)*])* })*) => {
        $(mod $chapter {
            use super::*;

            $(#[test]
            fn $name() {
                $crate::conformance::check_named(stringify!($chapter), stringify!($name), &$subject);
            })*
        })*
    };
}
